"""The saved questions. `docs/audit-questions.md` is written from them and held against them by a test."""

from __future__ import annotations

from audit.questions.model import GRANTS, WORKTIME, Question
from audit.questions.parameters import choice, code, decimal, instants, number, subject
from core.text import Text

CONSUMER = code("consumer", Text("使用部门", "Consumer"))
PROVIDER = code("provider", Text("提供部门", "Provider"))
DATASET = code("dataset", Text("政务信息资源代码", "Dataset"))
MONTH = instants(30)
WEEK = instants(7)

BY = {
    "consumer": Text("使用部门", "consumer"),
    "client": Text("业务系统", "system"),
    "grant": Text("授权", "grant"),
    "dataset": Text("政务信息资源", "dataset"),
    "provider": Text("提供部门", "provider"),
}
MEASURES = {
    "calls": Text("调用次数", "calls"),
    "rows": Text("数据行数", "rows of data"),
    "bytes": Text("字节数", "bytes"),
}

_ALL = (
    Question(
        "unused_grants",
        Text("闲置授权", "Unused grants"),
        Text(
            "现行有效、授权已满若干天、而这些天内没有成功调用过的授权，从未用过的排在最前。",
            "Grants in force that are older than so many days and answered no call with success in them; "
            "those never used come first.",
        ),
        Text(
            "暂停的授权不在其中；数据交给使用部门之后是否真的用了，日志不知道。",
            "Suspended grants are not among them, and whether data that were fetched were put to use "
            "no log knows.",
        ),
        (number("days", Text("未调用的天数", "Days without a call"), 1, 3660, 90),),
        frozenset({GRANTS}),
        as_of_now=True,
        looks_back=True,
    ),
    Question(
        "off_hours",
        Text("非工作时间调用", "Calls outside working hours"),
        Text(
            "期间内工作时间以外的调用，按业务系统和日期合计。工作日按国务院公布的日历，"
            "调休上班的周末算工作日，节假日不算。",
            "Calls of a period outside working hours, by system and day. Working days are those of the "
            "published calendar: make-up weekends count, holidays do not.",
        ),
        Text(
            "系统自动执行的夜间任务与人的操作分不开；各部门自己的值班时间不在日历中。",
            "It cannot tell a nightly job from a person, and knows no department's own duty hours.",
        ),
        (*MONTH, CONSUMER),
        frozenset({WORKTIME}),
    ),
    Question(
        "volume_spikes",
        Text("用量突增", "Volume spikes"),
        Text(
            "某授权某天的用量超过其前 28 天平均值加若干倍标准差，且不低于下限。没有调用的日子按零计。",
            "Days on which a grant moved more than the mean of its 28 days before and so many standard "
            "deviations, and no less than a floor. Days without calls count as zero.",
        ),
        Text(
            "首次调用后不满七天的授权没有可比的历史，不作判断；长期缓慢的增长不算突增；当天尚未过完时数值还会增加。",
            "A grant is not judged in the first seven days after its first call; slow growth over a long "
            "time is no spike; a day that is not over may still grow.",
        ),
        (
            *MONTH,
            choice("measure", Text("度量", "Measure"), MEASURES, "calls"),
            decimal("deviations", Text("标准差倍数", "Standard deviations"), 1, 20, 3),
            number("least", Text("下限", "Floor"), 1, 10**12, 100),
        ),
        looks_back=True,
    ),
    Question(
        "new_addresses",
        Text("新来源地址", "New addresses"),
        Text(
            "业务系统从以前从未用过的地址发起调用，含首末时间和次数。",
            "Systems that called from an address which they had never used before, with first and last time.",
        ),
        Text(
            "系统第一次调用的地址不算新地址；在可信代理之后换了机器而地址不变的，看不出来。",
            "The address of a system's first call ever is not new; another machine behind the same address "
            "is not seen.",
        ),
        MONTH,
        looks_back=True,
    ),
    Question(
        "calls_per_day",
        Text("每日调用", "Calls per day"),
        Text(
            "期间内每天（北京时间）的调用次数、结果、数据行数和字节数。",
            "Calls of each day (Shanghai time) by how they ended, with rows and bytes.",
        ),
        Text(
            "因崩溃而没有结束记录的传输不计；没有调用的日子没有行。",
            "A transfer that a crash left without an end is not counted; a day without calls has no row.",
        ),
        (*MONTH, CONSUMER, PROVIDER, DATASET),
    ),
    Question(
        "top_consumers",
        Text("用量排名", "Top consumers"),
        Text(
            "期间内谁调用最多：按使用部门、业务系统、授权、资源或提供部门合计，含结果、行数、字节数。",
            "Who called most in a period, by consumer, system, grant, dataset or provider, with results, "
            "rows and bytes.",
        ),
        Text(
            "令牌不明的调用没有使用部门，归在空名之下；同一数据被重复读取，行数重复计。",
            "Calls with an unknown token have no consumer and stand under no name; rows read twice count "
            "twice.",
        ),
        (*MONTH, choice("by", Text("分组", "By"), BY, "consumer"), CONSUMER, PROVIDER, DATASET),
    ),
    Question(
        "refusals_by_reason",
        Text("拒绝理由", "Refusals by reason"),
        Text(
            "期间内被拒绝、失败或中断的调用，按决定和理由合计，含涉及的系统数和首末时间。",
            "Calls that were refused, failed or were cut off, by decision and reason, with how many systems "
            "met them.",
        ),
        Text(
            "拒发令牌不是调用，不在其中；没有形成调用的连接（格式不是 HTTP）没有记录。",
            "A token that was not issued is no call; a connection that never spoke HTTP leaves no record.",
        ),
        (*MONTH, CONSUMER, PROVIDER, DATASET),
    ),
    Question(
        "readers_of_dataset",
        Text("谁读过某资源", "Readers of one dataset"),
        Text(
            "期间内得到过某资源数据的系统、授权和用途，含次数、行数、首末时间；中断的传输也算得到过。",
            "Systems that were given data of a dataset, under which grant and for what purpose; transfers "
            "that were cut off count.",
        ),
        Text(
            "数据离开平台以后又给了谁，日志不知道。",
            "Whom the data were passed on to after they left the platform no log knows.",
        ),
        (code("dataset", Text("政务信息资源代码", "Dataset"), required=True), *instants(365)),
    ),
    Question(
        "find_records",
        Text("查找记录", "Find records"),
        Text(
            "期间内符合全部条件的记录，最新的在前。可连同正文、证明一起导出。",
            "Records of a period that fit all conditions, the newest first; a bundle has bodies and proofs.",
        ),
        Text(
            "正文已依法删除的记录只剩时间和类别，按其他条件查不到。",
            "A record whose body was erased has its time and kind left and is not found by anything else.",
        ),
        (
            *WEEK,
            code("department", Text("涉及的部门", "Department concerned")),
            CONSUMER,
            PROVIDER,
            code("client", Text("业务系统", "System")),
            code("grant", Text("授权", "Grant")),
            DATASET,
            code("operation", Text("操作", "Operation")),
            code("kind", Text("记录类别", "Kind of record")),
            code("decision", Text("决定", "Decision")),
            code("reason", Text("理由", "Reason")),
            code("case", Text("办件", "Case")),
            code("ticket", Text("工单", "Ticket")),
            code("actor", Text("操作者假名", "Actor's pseudonym")),
            code("without", Text("不含心跳和此人的日志查询", "Without heartbeats and own look-ups of")),
            subject(required=False),
            code("log", Text("已关闭的日志", "Closed log")),
        ),
        of_records=True,
    ),
    Question(
        "accesses_of_citizen",
        Text("一个人的记录被谁查过", "Accesses of one citizen record"),
        Text(
            "按个人信息字段（如身份证号）的值指名查询过某人记录的每次调用，被拒绝的也在内。"
            "日志只保存摘要：先用字段名和值换取摘要，再用摘要提问。",
            "Every call that asked for one person's record by the value of a personal field, such as an "
            "identity number; refused ones too. The log keeps a digest only: have name and value turned into "
            "it, then ask with it.",
        ),
        Text(
            "没有指名、成批读取的调用，按范围或模式筛选的调用，值写在请求正文里的调用，都不在其中；"
            "字段名不同，摘要就不同，应对每个可能的字段名各问一次。",
            "Calls that read many without naming one, filter by range or pattern, or send the value in their "
            "body are not found. Another field name gives another digest: ask once for each.",
        ),
        (subject(required=True), *instants(365)),
        of_records=True,
    ),
    Question(
        "orphan_intents",
        Text("没有下文的调用", "Calls without an end"),
        Text(
            "已登记即将调用、此后没有任何结果的记录：提供部门可能已经收到请求。",
            "Records of calls that were about to be made and of which nothing more is known: the provider "
            "may have been asked.",
        ),
        Text(
            "只有敏感授权和改动数据的调用才事先登记；结果的正文被删除的，也会列在这里。",
            "Only sensitive grants and calls that change something leave such a record; a call whose end was "
            "erased is listed too.",
        ),
        (*MONTH, number("minutes", Text("登记后的分钟数", "Minutes since the intent"), 1, 1440, 10)),
        as_of_now=True,
        of_records=True,
        looks_back=True,
    ),
    Question(
        "searches_by_auditors",
        Text("审计人员的查询", "Searches by auditors"),
        Text(
            "谁在何时查过日志、得到多少行，最新的在前；打开记录可看到查询条件。",
            "Who searched the log when and how many rows came, the newest first; the record holds what was "
            "asked for.",
        ),
        Text(
            "直接读取服务器上日志文件的人没有记录。",
            "Who reads the log's files on the server leaves no record.",
        ),
        (*MONTH, code("actor", Text("操作者假名", "Actor's pseudonym"))),
        of_records=True,
    ),
    Question(
        "silent_periods",
        Text("静默时段", "Silent periods"),
        Text(
            "日志多久没有写下心跳：封存进程在此期间没有运行。",
            "Times without a heartbeat: the process that seals the log was not running.",
        ),
        Text(
            "第一次心跳之前的时间不算静默；心跳关闭的部署没有这个问题的答案；记录被删是另一回事，由完整性检查发现。",
            "Time before the first heartbeat is not silent; a deployment without heartbeats has no answer; "
            "records that were removed are found by the check for completeness.",
        ),
        (*MONTH, number("minutes", Text("静默的分钟数", "Minutes of silence"), 2, 10080, 5)),
        as_of_now=True,
        looks_back=True,
    ),
)
QUESTIONS = {question.code: question for question in _ALL}
"""Every saved question, by its code."""
