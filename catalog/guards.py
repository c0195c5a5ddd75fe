"""What the rulebook demands of a catalog entry before it is kept. Pure: book and entry in, objections out.

Each guard reads its policy from the book, so that what one city demands and another does not is no concern of
the code; each objection names the field and the provision.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from catalog.model import LEVELS, SHARE_CLASSES, shared_items
from core.errors import FieldError, Invalid
from core.text import Text
from rules.citation import Citation
from rules.rulebook import Rulebook

Document = Mapping[str, Any]

_STRICTNESS = {name: level for level, name in enumerate(SHARE_CLASSES)}
_ELSEWHERE = frozenset({"provider"})
"""Elements that the platform knows without being told."""


def check_entry(book: Rulebook, document: Document) -> None:
    """Refuse an entry that the rulebook does not allow. Raises Invalid with one entry per field."""
    found = [objection for guard in _GUARDS for objection in guard(book, document)]
    if found:
        cites = dict.fromkeys(str(cite) for _, cite in found if cite is not None)
        raise Invalid((error for error, _ in found), cite="、".join(cites) or None)


def warnings(book: Rulebook, document: Document) -> list[tuple[Text, Citation]]:
    """Return what the rulebook asks people to think about again without forbidding it."""
    policy = book.policy("catalog.themes_not_withheld")
    if policy.value and document.get("theme") and document["share_class"] == "none":
        words = Text(
            "主题资源原则上应予共享，请确认不予共享的依据",
            "theme data should be shared; make sure of the basis for withholding them",
        )
        return [(words, policy.cite)]
    return []


# --- the entry ------------------------------------------------------------------------------------

Objections = Iterator[tuple[FieldError, Citation | None]]


def field_error(pointer: str, zh: str, en: str, code: str = "invalid") -> FieldError:
    """Return what is wrong with one field."""
    return FieldError(pointer, Text(zh, en), code)


def _required(book: Rulebook, document: Document) -> Objections:
    """The elements that every entry states (QJ art. 6)."""
    policy = book.policy("catalog.required")
    for name in policy.value:
        if name not in _ELSEWHERE and document.get(name) in (None, "", [], {}):
            yield (
                field_error(f"/{name}", "规定要求填写此项", "the rulebook requires it", "required"),
                policy.cite,
            )


def _materials(book: Rulebook, document: Document) -> Objections:
    """Whoever registers says what an application will need (GZ art. 4)."""
    policy = book.policy("catalog.required_materials")
    shared = shared_items(document["attributes"], document["share_class"])
    if policy.value and shared and "required_materials" not in document:
        words = ("应列明申请使用该数据所需的全部材料", "list all materials that an application needs")
        yield field_error("/required_materials", *words, "required"), policy.cite


def _reason(book: Rulebook, document: Document) -> Objections:
    """Sharing is the rule, any other class is explained (QJ art. 8)."""
    policy = book.policy("catalog.reason_unless_unconditional")
    withheld = book.policy("catalog.no_share_basis")
    share_class = document["share_class"]
    if document.get("class_reason"):
        return
    if policy.value and share_class != "unconditional":
        words = ("不是无条件共享的，应说明理由", "a class other than unconditional needs a reason")
        yield field_error("/class_reason", *words, "required"), policy.cite
    elif share_class == "none" and withheld.value["reason"]:
        words = ("不予共享的，应说明理由", "withholding needs a reason")
        yield field_error("/class_reason", *words, "required"), withheld.cite


def _condition(book: Rulebook, document: Document) -> Objections:
    """Conditional sharing states its condition, whether it is for the dataset or for one item of it."""
    policy = book.policy("catalog.condition_required")
    whole = document["share_class"]
    classes = {whole, *(a.get("share_class") for a in document["attributes"])}
    conditional = whole != "unconditional" and "conditional" in classes
    if policy.value and conditional and not document.get("share_condition"):
        words = ("有条件共享的，应写明共享条件", "conditional sharing must state its condition")
        yield field_error("/share_condition", *words, "required"), policy.cite


def _basis(book: Rulebook, document: Document) -> Objections:
    """Withholding rests on a provision of a level that counts (QJ art. 8 (一), GZ art. 4 (一))."""
    if document["share_class"] != "none":
        return
    policy = book.policy("catalog.no_share_basis")
    levels, basis = policy.value["levels"], document.get("basis")
    if not basis:
        words = ("不予共享必须写明法规或政策依据", "withholding needs a legal or policy basis")
        yield field_error("/basis", *words, "required"), policy.cite
    elif levels is not None and basis["level"] not in levels:
        words = (
            f"此级别的依据不足以不予共享，只认：{'、'.join(LEVELS[name].zh for name in levels)}",
            f"a basis of this level does not do; these do: {', '.join(levels)}",
        )
        yield field_error("/basis/level", *words, "basis_level"), policy.cite


def _register(book: Rulebook, document: Document) -> Objections:
    """Base items of the base registers go to every department (QJ art. 8 (二))."""
    policy = book.policy("catalog.base_registers")
    if policy.value is None:
        return
    register, names = document.get("register"), policy.value["names"]
    if register is None:
        if document.get("category") == "base":
            words = ("基础信息资源应写明所属基础信息库", "base data must name their register")
            yield field_error("/register", *words, "required"), policy.cite
        return
    if not _listed(register, names):
        yield _not_listed("/register", names), policy.cite
    elif document.get("base_item") and document["share_class"] != policy.value["share_class"]:
        words = (
            f"{register}的基础信息项应在部门间无条件共享",
            "base items of this register must be shared unconditionally",
        )
        yield field_error("/share_class", *words, "base_register"), policy.cite


def _theme(book: Rulebook, document: Document) -> Objections:
    """A theme is one of those that the book lists, where it lists any (QJ art. 8 (三))."""
    policy = book.policy("catalog.themes")
    if policy.value is None:
        return
    theme = document.get("theme")
    if theme is None and document.get("category") == "theme":
        yield (
            field_error("/theme", "主题信息资源应写明主题", "theme data must name their theme", "required"),
            policy.cite,
        )
    elif theme is not None and not _listed(theme, policy.value):
        yield _not_listed("/theme", policy.value), policy.cite


def _listed(word: str, names: Mapping[str, Mapping[str, str]]) -> bool:
    return any(word in (key, *title.values()) for key, title in names.items())


def _not_listed(pointer: str, names: Mapping[str, Mapping[str, str]]) -> FieldError:
    known = [title["zh"] for title in names.values()]
    return field_error(
        pointer, f"不在名录中：{'、'.join(known)}", f"is not listed; these are: {', '.join(names)}", "enum"
    )


def _items(book: Rulebook, document: Document) -> Objections:
    """The entry's class is that of its most restrictive item (I-S-02), which also stands in for none."""
    whole = document["share_class"]
    cite = book.policy("catalog.condition_required").cite
    classes = [attribute.get("share_class", whole) for attribute in document["attributes"]]
    for i, share_class in enumerate(classes):
        if _STRICTNESS[share_class] > _STRICTNESS[whole]:
            words = (
                f"信息项为“{SHARE_CLASSES[share_class].zh}”，比整个资源更严",
                f"the item is {share_class!r}, stricter than the dataset",
            )
            yield field_error(f"/attributes/{i}/share_class", *words, "item_class"), cite
    if all(_STRICTNESS[c] < _STRICTNESS[whole] for c in classes):
        words = (
            "资源的共享类型应与其中最严的信息项一致",
            "the dataset's class must be that of its most restrictive item",
        )
        yield field_error("/share_class", *words, "item_class"), cite


def _attributes(book: Rulebook, document: Document) -> Objections:
    """Attribute names are told apart; related entries are not the entry itself."""
    seen: set[str] = set()
    for i, attribute in enumerate(document["attributes"]):
        if attribute["name"] in seen:
            words = (f"信息项“{attribute['name']}”重复", f"attribute {attribute['name']!r} is given twice")
            yield field_error(f"/attributes/{i}/name", *words, "repeated"), None
        seen.add(attribute["name"])
        if "check" in attribute and attribute["type"] != "string":
            words = ("有号码校验的应为字符型", "a checked number must be of type string")
            yield field_error(f"/attributes/{i}/type", *words, "type"), None
        low, high = attribute.get("minimum"), attribute.get("maximum")
        if low is not None and high is not None and low > high:
            yield (
                field_error(f"/attributes/{i}/minimum", "最小值大于最大值", "is more than the maximum"),
                None,
            )


def _freshness(book: Rulebook, document: Document) -> Objections:
    """What says when a row was last updated is an attribute of the entry, and a date."""
    name = document.get("freshness_attribute")
    dates = [a["name"] for a in document["attributes"] if a["type"] in ("date", "datetime")]
    if name is not None and name not in dates:
        words = (
            "应为本目录中日期型或日期时间型的信息项",
            "must be an attribute of this entry of type date or datetime",
        )
        yield field_error("/freshness_attribute", *words, "unknown"), None


def _onward(book: Rulebook, document: Document) -> Objections:
    """What was obtained from the platform is not provided to others (QJ art. 14; GZ art. 5 (一))."""
    policy = book.policy("catalog.onward_provision")
    for i, attribute in enumerate(document["attributes"]):
        if policy.value == "forbidden" and "obtained_from" in attribute:
            words = (
                "从共享平台取得的数据不得再提供给其他部门，请使用部门向原数据集申请",
                "data obtained from the platform are not passed on; they are applied for at their source",
            )
            yield field_error(f"/attributes/{i}/obtained_from", *words, "onward_provision"), policy.cite


_GUARDS: tuple[Callable[[Rulebook, Document], Objections], ...] = (
    _required,
    _materials,
    _reason,
    _condition,
    _basis,
    _register,
    _theme,
    _items,
    _attributes,
    _onward,
    _freshness,
)
