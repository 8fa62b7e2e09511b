"""cases.py - reads the case files of this folder: statements in Snowflake's dialect, with Snowflake's answers.

A file is one group of docs/snowflake.md and nearly a SQL script. Its first line is `# Title`, lines of prose may follow, each with a `#`. Blank
lines separate cases:

    --bind FIXED "41"
    --parameter TIMEZONE=UTC
    select ? + 1 as n, null as x;
    --> N: number | X: text
    42 | NULL

Before the statement: `--bind TYPE JSON` (in order; `--bind :name TYPE JSON`), `--parameter NAME=VALUE`, `--context DATABASE.SCHEMA`,
`--field NAME=JSON` of the body, `--query NAME=VALUE` of the URL, `--script` (many statements; the answer is the last one's).
After it: `-->` and the columns as `NAME: type`, then a row a line; or `--! code sqlState message`; or `--ok`, which prepares
what follows and is no case of its own. `--stats inserted=1` may end the rows.

Of a type only what is written is checked: `number`, `number(10,2)`, `text(3)`, `time(3)`, `?` is any; `not null` and `nullable` may follow. A cell
is its text; NULL is SQL NULL, `*` is anything, and what a plain line cannot hold is a JSON string ("a | b", "", "NULL"). In columns
of type variant, object and array, JSON is written on one line and compared as Snowflake prints it, with indents; dates and times are
written as ISO 8601 has them (with a blank for T, and +HH:MM behind those of type timestamp_tz) and compared as numbers. Columns end in
`| ...` when more may follow. In errors `*` is anything and `\\n` a line break.

The first answer is Snowflake's. Where Mayfly's is another one, it follows, behind `--differs: how` or `--refused: why`.
"""
import dataclasses
import glob
import json
import os
import re

FOLDER = os.path.dirname(os.path.abspath(__file__))
DIRECTIVES = ("--bind ", "--parameter ", "--context ", "--field ", "--query ", "--script")
TYPES = {"number": "fixed", "float": "real"}  # what reads better than the wire's own
STATUS = {"000900": 400, "390142": 400, "390186": 400, "391922": 400, "000709": 400, "000630": 408}


@dataclasses.dataclass
class Column:
    name: str
    type: str = None       # the wire's; None is any
    sizes: tuple = ()      # precision and scale of fixed, scale of times, length of text and binary
    nullable: bool = None  # None is any


@dataclasses.dataclass
class Answer:
    columns: list = None   # of Column
    more: bool = False     # further columns may follow
    rows: list = None
    lines: list = None     # the rows as they are written
    stats: dict = None
    code: str = None       # of an error
    sqlstate: str = None
    message: str = None


@dataclasses.dataclass
class Case:
    group: str
    line: int
    statement: str
    body: dict
    query: dict
    script: bool = False
    answer: Answer = None  # Snowflake's; None of a preparation
    verdict: str = "works"
    how: str = ""
    ours: Answer = None    # where it is another one

    @property
    def expected(self):
        return self.ours or self.answer


@dataclasses.dataclass
class Group:
    name: str
    title: str
    prose: str
    cases: list


class Wrong(Exception):
    """A file that is not of this form."""


# --- answers ---

def pretty(text):
    """JSON of one line as Snowflake prints it: two blanks a level, `undefined` let through."""
    out, depth, at = [], 0, 0
    for token in re.finditer(r'"(?:[^"\\]|\\.)*"|\{\s*\}|\[\s*\]|[\[\]{},:]|[^\s\[\]{},:"]+', text):
        t = token.group()
        at = token.end()
        if t[0] in "{[" and len(t) > 1:
            out.append(t[0] + t[-1])
        elif t in "{[":
            depth += 1
            out.append(t + "\n" + "  " * depth)
        elif t in "}]":
            depth -= 1
            out.append("\n" + "  " * depth + t)
        elif t == ",":
            out.append(",\n" + "  " * depth)
        else:
            out.append(": " if t == ":" else t)
    if depth or text[at:].strip():
        raise Wrong("no JSON: " + text)
    return "".join(out)


ISO = re.compile(r"(?:(-?\d{4,6})-(\d\d)-(\d\d))?(?: ?(\d\d):(\d\d):(\d\d)(?:\.(\d+))?)?(?: ([+-])(\d\d):(\d\d))?")


def days(year, month, day):
    """Since 1970-01-01, of the proleptic Gregorian calendar."""
    year, month = (year - 1, month + 12) if month <= 2 else (year, month)
    return year * 365 + year // 4 - year // 100 + year // 400 + (153 * (month - 3) + 2) // 5 + day - 1 - 719468


def time_cell(text, column):
    """What the wire has for it; the text itself where it is no date or time."""
    found = ISO.fullmatch(text)
    if not found or not text:
        return text
    year, month, day, hour, minute, second, fraction, sign, hours, minutes = found.groups()
    date = days(int(year), int(month), int(day)) if year else 0
    if column.type == "date":
        return str(date)
    offset = (int(hours) * 60 + int(minutes)) * (-1 if sign == "-" else 1) if sign else 0
    scale = column.sizes[0] if column.sizes else 9
    whole = date * 86400 + int(hour or 0) * 3600 + int(minute or 0) * 60 + int(second or 0) - offset * 60
    ticks = whole * 10 ** scale + int(((fraction or "") + "0" * scale)[:scale] or 0)
    digits = str(abs(ticks)).rjust(scale + 1, "0")
    number = ("-" if ticks < 0 else "") + (digits[:-scale] + "." + digits[-scale:] if scale else digits)
    return f"{number} {offset + 1440}" if column.type == "timestamp_tz" else number


def read_cell(text, column):
    text = text.strip()
    if text == "NULL":
        return None
    if column.type in ("variant", "object", "array"):
        return pretty(text) if text[:1] in "{[" else text
    if text.startswith('"'):
        return json.loads(text)
    return time_cell(text, column) if column.type == "date" or (column.type or "").startswith("time") else text


def read_column(text):
    name, _, kind = text.strip().rpartition(": ")
    found = re.fullmatch(r"(\?|[a-z_]+)(?:\(([\d,]+)\))?( not null| nullable)?", kind)
    if not name or not found:
        raise Wrong("no column: " + text)
    kind, sizes, null = found.groups()
    return Column(json.loads(name) if name[0] == '"' and name[-1] == '"' and "\\" in name else name, None if kind == "?" else TYPES.get(kind, kind),
                  tuple(map(int, sizes.split(","))) if sizes else (), {" not null": False, " nullable": True}.get(null))


def read_columns(text):
    parts = text.split(" | ")
    more = parts[-1].strip() == "..."
    return [read_column(p) for p in (parts[:-1] if more else parts)], more


def read_answer(lines):
    """From the head line on; takes what belongs to it from the front of lines."""
    head = lines.pop(0)
    if head.startswith("--!"):
        code, sqlstate, message = (head[3:].strip().split(" ", 2) + [None, None])[:3]
        return Answer(code=code, sqlstate=sqlstate, message=message.replace("\\n", "\n") if message else None)
    if not head.startswith("-->"):
        raise Wrong("no answer: " + head)
    columns, more = read_columns(head[3:])
    answer = Answer(columns=columns, more=more, rows=[], lines=[])
    while lines and not lines[0].startswith("--"):
        answer.lines.append(lines.pop(0))
        cells = re.split(r" \| (?=(?:[^\"]*\"[^\"]*\")*[^\"]*$)", answer.lines[-1]) if len(columns) > 1 else answer.lines[-1:]
        if len(cells) != len(columns):
            raise Wrong(f"{len(cells)} cells under {len(columns)} columns: {cells}")
        answer.rows.append([read_cell(cell, column) for cell, column in zip(cells, columns)])
    if lines and lines[0].startswith("--stats "):
        answer.stats = {k: int(v) for k, v in (each.split("=") for each in lines.pop(0)[8:].split())}
    return answer


# --- cases ---

def read_bind(text, bindings):
    name = str(len(bindings) + 1)
    if text.startswith(":"):
        name, text = text[1:].split(" ", 1)
    kind, value = text.split(" ", 1)
    bindings[name] = {"type": kind, "value": json.loads(value)}


def read_directive(line, case):
    word, _, rest = line.partition(" ")
    name, _, value = rest.partition("=")
    if word == "--bind":
        read_bind(rest, case.body.setdefault("bindings", {}))
    elif word == "--parameter":
        case.body.setdefault("parameters", {})[name] = value
    elif word == "--context":
        case.body.update(zip(("database", "schema"), rest.split(".")))
    elif word == "--field":
        case.body[name] = json.loads(value)
    elif word == "--query":
        case.query[name] = value
    else:
        case.script = True
        case.body.setdefault("parameters", {})["MULTI_STATEMENT_COUNT"] = "0"


def read_case(group, number, lines):
    case = Case(group, number, "", {}, {})
    while lines and lines[0].startswith(DIRECTIVES):
        read_directive(lines.pop(0), case)
    text = []
    while lines and not lines[0].startswith(("-->", "--!", "--ok")):
        text.append(lines.pop(0))
    case.statement = "\n".join(text).strip()
    case.statement = case.statement[:-1] if case.statement.endswith(";") else case.statement
    case.body["statement"] = case.statement
    if not lines:
        raise Wrong("a statement without an answer")
    if lines[0].startswith("--ok"):
        return case
    case.answer = read_answer(lines)
    if lines:
        found = re.fullmatch(r"--(differs|refused): (.+)", lines.pop(0))
        if not found:
            raise Wrong("what is behind the answer is no verdict")
        case.verdict, case.how = found.groups()
        case.ours = read_answer(lines)
    if lines:
        raise Wrong("this belongs to nothing: " + lines[0])
    return case


def read_group(path):
    name = re.sub(r"^\d+_|\.sql$", "", os.path.basename(path))
    with open(path, encoding="utf-8") as f:
        lines = f.read().split("\n")
    prose = [line[1:].strip() for line in lines if line.startswith("#")]
    group = Group(name, prose[0], " ".join(prose[1:]), [])
    block, began = [], 0
    for number, line in enumerate(lines + [""], 1):
        if line.startswith("#"):
            continue
        if line.strip():
            began = began if block else number
            block.append(line)
        elif block:
            try:
                group.cases.append(read_case(name, began, block))
            except (Wrong, ValueError) as e:
                raise Wrong(f"{path}:{began}: {e}") from None
            block = []
    return group


def read_groups(pattern="*.sql"):
    return [read_group(path) for path in sorted(glob.glob(os.path.join(FOLDER, pattern)))]


# --- comparing ---

def matches(wanted, text):
    return re.fullmatch(".*".join(map(re.escape, wanted.split("*"))), text or "", re.DOTALL) is not None


def sizes_of(told):
    if told["type"] == "fixed":
        return told["precision"], told["scale"]
    if told["type"].startswith("time"):
        return (told["scale"],)
    return (told["length"],)


def column_text(told):
    kind = {wire: name for name, wire in TYPES.items()}.get(told["type"], told["type"])
    sizes = [] if told["type"] in ("real", "boolean", "date", "variant", "object", "array") else [s for s in sizes_of(told) if s is not None]
    return f"{told['name']}: {kind}" + (f"({','.join(map(str, sizes))})" if sizes else "") + (" not null" if told["nullable"] is False else "")


def column_is(wanted, told):
    return (wanted.name == told["name"] and wanted.type in (None, told["type"])
            and (not wanted.sizes or wanted.sizes == sizes_of(told)[:len(wanted.sizes)]) and wanted.nullable in (None, told["nullable"]))


def row_is(wanted, cells, more):
    return (len(wanted) == len(cells) or more and len(wanted) < len(cells)) and all(w in ("*", c) for w, c in zip(wanted, cells))


def answer_text(status, body):
    """What the server said, in the form of a case file."""
    if status != 200:
        return f"--! {body.get('code')} {body.get('sqlState')} {body.get('message')!r} ({status})"
    columns = body["resultSetMetaData"]["rowType"]
    rows = [" | ".join("NULL" if cell is None else repr(cell)[1:-1] if cell else '""' for cell in row) for row in body["data"]]
    return "\n".join(["--> " + " | ".join(map(column_text, columns)), *rows, *(["--stats " + json.dumps(body["stats"])] if "stats" in body else [])])


STATS = {"inserted": "numRowsInserted", "updated": "numRowsUpdated", "deleted": "numRowsDeleted", "duplicates": "numDmlDuplicates"}


def is_answer(wanted, status, body):
    if wanted.code:
        return (status == STATUS.get(wanted.code, 422) and wanted.code in ("*", body.get("code")) and wanted.sqlstate in (None, "*", body.get("sqlState"))
                and (wanted.message is None or matches(wanted.message, body.get("message"))))
    if status != 200:
        return False
    columns, rows = body["resultSetMetaData"]["rowType"], body["data"]
    if len(columns) < len(wanted.columns) or len(columns) > len(wanted.columns) and not wanted.more:
        return False
    stats = {k: body.get("stats", {}).get(STATS[k]) for k in wanted.stats or {}}
    return (all(map(column_is, wanted.columns, columns)) and len(rows) == len(wanted.rows)
            and all(row_is(w, r, wanted.more) for w, r in zip(wanted.rows, rows)) and stats == (wanted.stats or {}))
