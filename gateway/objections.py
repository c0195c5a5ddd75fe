"""Why a call is refused or fails: one value that becomes the answer, its headers and the record's reason.

`oauth` is the error code of RFC 6750 section 3.1, `proxy` the error type of RFC 9209 section 2.3 for the
answers that the gateway makes in place of the provider.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from core.errors import FieldError
from core.text import Text

BEARER, DPOP = "Bearer", "DPoP"
"""The schemes under which a token may come (RFC 6750, RFC 9449)."""


@dataclass(frozen=True, slots=True)
class Objection:
    """What speaks against a call."""

    status: int
    code: str
    """Stable and machine-readable; the `reason` of the record."""
    text: Text
    oauth: str | None = None
    proxy: str | None = None
    received: int | None = None
    """The status that the provider answered with."""
    errors: tuple[FieldError, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    """What the answer must carry besides: Allow, Retry-After, Content-Range, DPoP-Nonce."""
    scheme: str = BEARER
    """Under which scheme the caller is to try again, where `oauth` says that it may."""

    @property
    def of_provider(self) -> bool:
        """Whether the call was permitted, and then the provider or the gateway failed."""
        return self.received is not None or (self.proxy is not None and self.status >= 500)

    def having(self, name: str, value: str) -> Objection:
        """Return the same objection with a header of the answer."""
        return replace(self, headers=(*self.headers, (name, value)))

    def under(self, scheme: str) -> Objection:
        """Return the same objection to a call that should come under a scheme."""
        return self if self.scheme == scheme else replace(self, scheme=scheme)

    def at(self, pointer: str) -> Objection:
        """Return the same objection, pointing at one part of what the caller sent."""
        return replace(self, errors=(FieldError(pointer, self.text, self.code),))


class Refused(Exception):
    """A call that goes no further; `objection` says why."""

    def __init__(self, objection: Objection) -> None:
        super().__init__(objection.code)
        self.objection = objection


_LATER = (("Retry-After", "5"),)


def _bad(code: str, zh: str, en: str) -> Objection:
    return Objection(400, code, Text(zh, en), oauth="invalid_request")


def _token(code: str, zh: str, en: str) -> Objection:
    return Objection(401, code, Text(zh, en), oauth="invalid_token")


def _scope(code: str, zh: str, en: str) -> Objection:
    return Objection(403, code, Text(zh, en), oauth="insufficient_scope", proxy="http_request_denied")


def _down(code: str, zh: str, en: str) -> Objection:
    return Objection(503, code, Text(zh, en), proxy="proxy_internal_error", headers=_LATER)


# --- the request itself ---------------------------------------------------------------------------

BAD_TARGET = _bad("bad_target", "请求地址不合规范", "the target holds what no address here has")
BAD_QUERY = _bad("bad_query", "查询参数格式有误", "the query is not well-formed")
UNKNOWN_PARAMETER = _bad("unknown_parameter", "没有这个参数", "no such parameter")
MISSING_PARAMETER = _bad("missing_parameter", "缺少必填参数", "a required parameter is missing")
BAD_PARAMETER = _bad("bad_parameter", "参数值不合规范", "the parameter's value is not allowed by its pattern")
REPEATED_PARAMETER = _bad("repeated_parameter", "参数重复", "the parameter is given twice")
BODY_NOT_TAKEN = _bad("body_not_taken", "此操作不接受请求体", "the operation takes no body")
BAD_RANGE = _bad("bad_value", "值不合规范", "the value is not of the right form")
UNKNOWN_OPERATOR = _bad(
    "unknown_operator",
    "没有这种比较：可用 eq neq gt gte lt lte like ilike in is，前面可加 not.",
    "no such operator: there are eq neq gt gte lt lte like ilike in is, each with not. before it",
)
TOO_MANY_CONDITIONS = _bad("too_many_conditions", "查询条件过多", "there are too many conditions")
NAMES_ONLY = _bad(
    "names_only",
    "只接受信息项名：没有类型转换、别名、JSON 路径、关联和函数",
    "only names of fields are taken: no casts, aliases, JSON paths, embedding or functions",
)
PREFERENCE_NOT_MET = _bad(
    "preference_not_met",
    "Prefer 要求严格处理，而所列偏好中有不支持的",
    "Prefer asks for strict handling and names a preference that is not met",
)
NO_SUCH_PATH = Objection(404, "no_such_path", Text("没有这个地址", "there is nothing at this address"))
NO_SUCH_FILE = Objection(404, "no_such_file", Text("没有这个文件", "there is no such file"))
NOT_ACCEPTABLE = Objection(
    406,
    "not_acceptable",
    Text(
        "可选格式为 JSON、NDJSON、CSV、Arrow 和 Parquet",
        "the formats are JSON, NDJSON, CSV, Arrow and Parquet",
    ),
)
METHOD_NOT_ALLOWED = Objection(
    405, "method_not_allowed", Text("此操作不支持这种请求方法", "the operation has another method")
)
UNSUPPORTED_BODY = Objection(
    415,
    "unsupported_media_type",
    Text("不支持这种内容类型或编码", "the body's type or coding is not supported"),
)
RANGE_NOT_SATISFIABLE = Objection(
    416, "range_not_satisfiable", Text("所要的范围超出文件", "the range lies outside the file")
)

# --- the token ------------------------------------------------------------------------------------

TOKEN_MISSING = Objection(401, "token_missing", Text("需要访问令牌", "an access token is needed"))
AUTHORIZATION_MALFORMED = _bad(
    "authorization_malformed",
    "Authorization 须为一个 Bearer 或 DPoP 令牌",
    "Authorization must be exactly one Bearer or DPoP token",
)
TOKEN_UNKNOWN = _token("token_unknown", "访问令牌无效", "the access token is not valid")
TOKEN_EXPIRED = _token("token_expired", "访问令牌已过期", "the access token has expired")
TOKEN_REVOKED = _token("token_revoked", "访问令牌已撤销", "the access token has been revoked")
CLIENT_DISABLED = _token("client_disabled", "业务系统已停用", "the system is not active")

# --- what the token is bound to -------------------------------------------------------------------

TOKEN_UNBOUND = _token(
    "token_unbound",
    "本平台只接受与密钥或证书绑定的访问令牌",
    "a token that is bound to neither a key nor a certificate is not taken here",
)
TOKEN_SCHEME = _token(
    "token_scheme",
    "访问令牌与认证方式不符：绑定密钥的令牌须用 DPoP，其他令牌不得用 DPoP",
    "a token that is bound to a key comes under DPoP, and no other does",
)
CERTIFICATE_MISSING = _token(
    "certificate_missing", "访问令牌与证书绑定，须出示证书", "the token is bound to a certificate; present it"
)
CERTIFICATE_OTHER = _token(
    "certificate_other", "访问令牌与另一张证书绑定", "the token is bound to another certificate"
)
CERTIFICATE_FIELD = _bad(
    "certificate_field",
    "客户端证书请求头只能由可信的前置代理写入",
    "only the trusted front may write the field of the client's certificate, once and well-formed",
)


def _proof(code: str, zh: str, en: str, oauth: str = "invalid_dpop_proof") -> Objection:
    return Objection(401, code, Text(zh, en), oauth=oauth, scheme=DPOP)


PROOFS = {
    found.code: found
    for found in (
        _proof("proof_missing", "缺少 DPoP 证明", "a DPoP proof is needed"),
        _proof("several_proofs", "DPoP 证明须有且只有一个", "exactly one DPoP proof is needed"),
        _proof("proof_malformed", "DPoP 证明格式有误", "the DPoP proof is not a well-formed JWT"),
        _proof("proof_type", "DPoP 证明的 typ 须为 dpop+jwt", "typ of the DPoP proof must be dpop+jwt"),
        _proof(
            "proof_algorithm",
            "DPoP 证明的签名算法须为 ES256、PS256 或 Ed25519",
            "the DPoP proof must be signed with ES256, PS256 or Ed25519",
        ),
        _proof(
            "proof_key",
            "DPoP 证明的 jwk 须为与算法相符的公钥",
            "jwk of the DPoP proof must be a public key that fits the algorithm",
        ),
        _proof("proof_signature", "DPoP 证明的签名无效", "the signature of the DPoP proof does not hold"),
        _proof("proof_jti", "DPoP 证明缺少 jti", "jti of the DPoP proof must be a string"),
        _proof("proof_method", "DPoP 证明的 htm 与请求方法不符", "htm of the DPoP proof is another method"),
        _proof("proof_url", "DPoP 证明的 htu 与请求地址不符", "htu of the DPoP proof is another address"),
        _proof("proof_token", "DPoP 证明的 ath 与访问令牌不符", "ath of the DPoP proof is another token's"),
        _proof(
            "proof_time", "DPoP 证明的 iat 与当前时间相差过大", "iat of the DPoP proof is too far from now"
        ),
        _proof(
            "proof_nonce",
            "DPoP 证明须带指定的 nonce",
            "the DPoP proof must name the nonce given",
            "use_dpop_nonce",
        ),
    )
}
"""What speaks against a proof, by the reasons of `dpop.ProofRefused`."""
PROOF_OTHER_KEY = _proof(
    "proof_other_key", "访问令牌与另一把密钥绑定", "the token is bound to another key", "invalid_token"
)
PROOF_REPLAYED = _proof("proof_replayed", "DPoP 证明已使用过", "the DPoP proof has been used before")

# --- the grant ------------------------------------------------------------------------------------

GRANT_SUSPENDED = _scope("grant_suspended", "授权已暂停", "the grant is suspended")
GRANT_ENDED = _scope("grant_ended", "授权已终止", "the grant has ended")
GRANT_CHANGED = _scope("grant_changed", "授权或挂接在传送时有变", "the grant or its source changed meanwhile")
GRANT_EXPIRED = _scope("grant_expired", "授权已到期", "the grant has expired")
DATASET_UNAVAILABLE = _scope(
    "dataset_unavailable", "资源当前未发布", "the dataset is not published at present"
)
DATASET_NOT_GRANTED = _scope("dataset_not_granted", "授权不含此资源", "the grant is for another dataset")
KIND_NOT_GRANTED = _scope("kind_not_granted", "授权不含这种使用方式", "the grant is for another kind of use")
NETWORK_NOT_ALLOWED = _scope(
    "network_not_allowed",
    "来源网络不在授权范围内",
    "the call comes from a network that the grant does not name",
)
OPERATION_NOT_GRANTED = _scope(
    "operation_not_granted", "授权不含此操作", "the grant does not name the operation"
)
FIELD_NOT_GRANTED = _scope("field_not_granted", "授权不含此信息项", "the grant does not name the field")
PARAMETER_NOT_GRANTED = _scope(
    "parameter_not_granted",
    "管控参数的值不在授权范围内",
    "the grant does not allow this value of the parameter",
)
TICKET_MISSING = _scope(
    "ticket_missing",
    "此授权要求每次调用注明工单(Purpose-Ticket)",
    "each call under this grant must name a ticket (Purpose-Ticket)",
)
TICKET_NOT_OPEN = _scope(
    "ticket_not_open",
    "注明的工单不存在、已办结或不由使用部门办理",
    "the named ticket is not open, or the consumer does not work on it",
)
QUOTA_USED_UP = Objection(
    429,
    "quota_used_up",
    Text("此授权今日的调用次数已用完", "the calls that the grant allows for today are used up"),
    proxy="http_request_denied",
)
TOO_FAST = Objection(
    429,
    "too_fast",
    Text("调用超过此授权每秒的次数", "more calls in a second than the grant allows"),
    proxy="http_request_denied",
)
TOO_MANY_AT_ONCE = Objection(
    429,
    "too_many_at_once",
    Text("同时进行的调用超过此授权的数量", "more calls at once than the grant allows"),
    proxy="http_request_denied",
)
FIELDS_NOT_SEPARABLE = _scope(
    "fields_not_separable",
    "此操作的结果无法按信息项裁剪，而授权只含部分信息项",
    "the answer cannot be cut down to the granted fields",
)

# --- streams --------------------------------------------------------------------------------------

TOO_LONG = Objection(
    503, "stream_too_long", Text("传送时间超出上限", "the answer took too long to send"), headers=_LATER
)

# --- the gateway and the provider -----------------------------------------------------------------

JOURNAL_UNAVAILABLE = _down("journal_unavailable", "访问记录无法写入", "the access record cannot be written")
POLICY_STALE = _down("policy_stale", "授权状态无法核实", "the state of the grants cannot be ascertained")
DATABASE_UNAVAILABLE = _down("database_unavailable", "授权信息无法读取", "the grants cannot be read")
NOT_MOUNTED = _down("not_mounted", "资源尚未挂接", "the dataset has nothing mounted")
BUSY = replace(
    _down("provider_busy", "对提供方的请求过多", "too many calls to the provider are under way"),
    proxy="connection_limit_reached",
)
INTERNAL = Objection(
    500,
    "internal",
    Text("平台出现内部错误，已记录", "a fault of the gateway; it has been logged"),
    proxy="proxy_internal_error",
)


def upstream(status: int, proxy: str, code: str, zh: str, en: str) -> Objection:
    """Return the failure of a call to the provider; nothing of what the provider said goes into it."""
    return Objection(status, code, Text(zh, en), proxy=proxy)


PROVIDER_DOWN = upstream(
    502, "connection_refused", "provider_down", "无法连接提供方", "the provider cannot be reached"
)
PROVIDER_RESTS = upstream(
    503,
    "destination_unavailable",
    "provider_rests",
    "提供方多次无法连接，稍后再试",
    "the provider could not be reached several times over; try again later",
).having("Retry-After", "5")
PROVIDER_UNRESOLVED = upstream(
    502, "dns_error", "provider_unresolved", "提供方地址无法解析", "the provider's name cannot be resolved"
)
PROVIDER_PROHIBITED = upstream(
    502,
    "destination_ip_prohibited",
    "provider_prohibited",
    "提供方地址不在登记的网络内",
    "the provider's address lies outside the registered networks",
)
PROVIDER_TLS = upstream(
    502, "tls_certificate_error", "provider_tls", "提供方证书无效", "the provider's certificate is not valid"
)
CONNECT_TIMEOUT = upstream(
    504,
    "connection_timeout",
    "provider_connect_timeout",
    "连接提供方超时",
    "connecting to the provider took too long",
)
ANSWER_TIMEOUT = upstream(
    504, "http_response_timeout", "provider_timeout", "提供方应答超时", "the provider's answer took too long"
)
ANSWER_INCOMPLETE = upstream(
    502,
    "http_response_incomplete",
    "provider_incomplete",
    "提供方应答不完整",
    "the provider's answer broke off",
)
ANSWER_BROKEN = upstream(
    502,
    "http_protocol_error",
    "provider_protocol",
    "提供方应答不合规范",
    "the provider's answer is not well-formed",
)
ANSWER_CODED = upstream(
    502,
    "http_response_content_coding",
    "provider_coding",
    "提供方应答用了未要求的压缩",
    "the provider's answer has a coding that was not asked for",
)
ANSWER_TOO_LARGE = upstream(
    502,
    "http_response_body_size",
    "provider_too_large",
    "提供方应答超出上限",
    "the provider's answer is over the bound",
)
ANSWER_HEAD_TOO_LARGE = upstream(
    502,
    "http_response_header_section_size",
    "provider_head_too_large",
    "提供方应答头过大",
    "the head of the provider's answer is over the bound",
)
ANSWER_NOT_RECORDS = upstream(
    502,
    "http_protocol_error",
    "provider_not_records",
    "提供方应答不是约定的记录",
    "the answer does not hold records",
)
SOURCE_FAILED = upstream(
    502, "destination_unavailable", "provider_failed", "提供方数据源出错", "the provider's data source failed"
)
SOURCE_TIMEOUT = upstream(
    504,
    "http_response_timeout",
    "provider_timeout",
    "提供方数据源超时",
    "the provider's data source took too long",
)
VALUE_NOT_TYPED = upstream(
    502,
    "http_response_incomplete",
    "value_not_typed",
    "数据中有值与目录所载类型不符，不能以 Arrow 或 Parquet 提供；可改用 JSON 或 CSV",
    "a value is not of the type that the catalog says, so Arrow and Parquet cannot hold it; JSON and CSV can",
)
SOURCE_CHANGED = upstream(
    502,
    "http_response_incomplete",
    "provider_changed",
    "文件在传送时被更改",
    "the file changed while it was sent",
)

_PASSED = frozenset({400, 404, 409, 410, 412, 422, 428, 503, 504})
"""Statuses of a provider that mean the same from the gateway."""


def received(status: int) -> Objection:
    """Return what the caller is told when the provider answered with `status` (not a success).

    401, 403 and 407 are about our credentials there and become 502, as do redirects, which are not followed.
    """
    return Objection(
        status if status in _PASSED else 502,
        "provider_refused" if 400 <= status < 500 else "provider_error",
        Text(f"提供方应答状态为 {status}", f"the provider answered with status {status}"),
        received=status,
        headers=_LATER if status == 503 else (),
    )
