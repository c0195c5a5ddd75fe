// Lets the browser make a passkey, or sign with one: only a script can ask for that.
// What comes back is put into the form, and the form is sent.
(function () {
  "use strict";
  const form = document.getElementById("passkey-form");
  if (!form || !window.PublicKeyCredential) { return; }
  const does = form.dataset.does;
  const failed = form.querySelector("[data-failed]");
  const field = form.elements[does === "create" ? "passkey" : "confirm_passkey"];

  function bytes(text) {
    const plain = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
    return Uint8Array.from(plain, (c) => c.charCodeAt(0));
  }

  function text(buffer) {
    const plain = String.fromCharCode(...new Uint8Array(buffer));
    return btoa(plain).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  }

  function asked() {
    const options = JSON.parse(form.dataset.options);
    options.challenge = bytes(options.challenge);
    if (options.user) { options.user.id = bytes(options.user.id); }
    [...(options.excludeCredentials || []), ...(options.allowCredentials || [])].forEach((known) => { known.id = bytes(known.id); });
    return { publicKey: options };
  }

  function answered(credential) {
    const response = { clientDataJSON: text(credential.response.clientDataJSON) };
    ["attestationObject", "authenticatorData", "signature", "userHandle"].forEach((name) => {
      if (credential.response[name]) { response[name] = text(credential.response[name]); }
    });
    return JSON.stringify({
      id: credential.id,
      rawId: text(credential.rawId),
      type: credential.type,
      response,
      clientExtensionResults: {},
    });
  }

  async function ask() {
    failed.hidden = true;
    try {
      field.value = answered(await navigator.credentials[does](asked()));
    } catch (stopped) {
      failed.hidden = false;
      return;
    }
    form.submit();
  }

  form.querySelectorAll(".script-only").forEach((part) => { part.hidden = false; });
  form.querySelector("[data-passkey]").addEventListener("click", ask);
})();
