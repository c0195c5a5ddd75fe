// Makes the intake quicker: looks up while one types, fills fields by a click, sends by Ctrl+Enter.
// The page does all of it without this file, by its buttons.
(function () {
  "use strict";
  const form = document.getElementById("intake");
  const known = document.getElementById("known");
  const watched = ["caller.phone", "summary", "category", "place", "accused"];
  const PAUSE = 500;
  let timer = 0;
  let asked = "";
  let request = null;

  function typed() {
    return watched.map((name) => form.elements[name].value.trim()).join("\n");
  }

  function reveal(part) {
    part.querySelectorAll(".script-only").forEach((button) => { button.hidden = false; });
  }

  async function ask() {
    const now = typed();
    if (now === asked || !now.trim()) { return; }
    asked = now;
    if (request) { request.abort(); }
    request = new AbortController();
    const body = new URLSearchParams();
    ["csrf_token", ...watched].forEach((name) => body.set(name, form.elements[name].value));
    body.set("part", "known");
    try {
      const answer = await fetch("/tickets/new/actions/hints", { method: "POST", body, signal: request.signal, credentials: "same-origin" });
      if (!answer.ok || answer.redirected) { return; }
      const part = new DOMParser().parseFromString(await answer.text(), "text/html").body;
      reveal(part);
      known.replaceChildren(...part.childNodes);
    } catch (stopped) {
      if (stopped.name !== "AbortError") { asked = ""; }
    }
  }

  form.addEventListener("input", (event) => {
    if (!watched.includes(event.target.name)) { return; }
    window.clearTimeout(timer);
    timer = window.setTimeout(ask, PAUSE);
  });

  form.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) { return; }
    event.preventDefault();
    const open = event.target.closest("details.outcome[open]") || form.querySelector("details.outcome[open]");
    form.requestSubmit(open ? open.querySelector("button[name=then]") : form.querySelector("button[accesskey=j]"));
  });

  function open(does, names) {
    const step = form.querySelector('details.outcome[data-does="' + does + '"]');
    if (!step) { return; }
    step.open = true;
    Object.entries(names).forEach(([name, value]) => {
      const field = form.elements[step.dataset.step + "." + name];
      if (field) { field.value = value; field.focus(); }
    });
  }

  known.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) { return; }
    if (button.dataset.fill) {
      form.elements[button.dataset.fill].value = button.dataset.value;
      form.elements[button.dataset.fill].focus();
    } else if (button.dataset.fillUnit) {
      open("dispatch", { unit: button.dataset.fillUnit });
    } else if (button.dataset.article) {
      open("answer", { article: button.dataset.article, reply: button.dataset.answer });
    }
  });

  reveal(known);
})();
