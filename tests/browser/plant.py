"""Puts before people what agents would have asked at the door: plant.py DATABASE.

For the newest agent of a person: calls that wait for an answer (one of them too old, one approved and used), and scopes it
was refused. Prints the ids of the calls as JSON.
"""

import hashlib
import json
import sqlite3
import sys
import time

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
MINUTE = 60_000
now = int(time.time() * 1000)


def spelt(stored: int) -> str:
    number = (stored & (1 << 64) - 1) ^ (1 << 63)
    return "apr_" + "".join(ALPHABET[(number >> (place * 5)) & 31] for place in reversed(range(13)))


database = sqlite3.connect(sys.argv[1], timeout=10, isolation_level=None)
agent, user, resource = database.execute(
    "SELECT id, user, resource FROM grants WHERE personal IS NULL AND user IS NOT NULL AND ended IS NULL"
    " ORDER BY created_at DESC, id DESC"
).fetchone()
ids = {}


def call(name: str, tool: str, arguments: dict, state: str = "open", cut: bool = False, asked: int = now) -> None:
    shown = json.dumps(arguments, ensure_ascii=False, separators=(",", ":"))
    shown = shown[: len(shown) // 2] if cut else shown
    row = (agent ^ hash_of(name)) & (1 << 62) - 1
    ids[name] = spelt(row)
    database.execute(
        "INSERT INTO approvals VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (row, agent, user, resource, tool, hashlib.sha256(name.encode()).digest(), shown, cut, state)
        + (asked, asked + 10 * MINUTE, None if state == "open" else asked + 1),
    )


def hash_of(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "big")


note = {"id": "n_20418", "forever": True, "reason": "Duplicate of n_20417", "tags": ["old", 7]}
hostile = {
    "<script>alert(1)</script>": "\u202egnp.exe\u2066",
    "Tool": "read_one_note",
    "deep": {"x": ["\u200b", None, 1.5]},
    "w" * 120: "Wolkenkratzer" * 80,
    "rtl": "مساعد الملاحظات",
}
call("plain", "delete_note", note)
call("denied", "delete_note", {"id": "n_2"})
call("bare", "sync_everything_now", {})
call("hostile", "<b>\u202e" + "delete" * 30, hostile)
call("cut", "import_notes", {f"field_{n}": "x" * 40 for n in range(60)}, cut=True)
call("old", "delete_note", {"id": "n_3"}, asked=now - 11 * MINUTE)
call("used", "delete_note", {"id": "n_4"}, state="spent")
database.execute(
    "UPDATE grants SET wanted = ? WHERE id = ?",
    (f"{now - 5 * MINUTE}:notes:write {now - MINUTE}:notes:delete", agent),
)
print(json.dumps(ids))
