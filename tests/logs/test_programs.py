"""What the tables say of mail programs whose logs leave something out: no end, no client, no host, or all told twice."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from smtplab import logs
from smtplab.logs import LogEvidence


def read(folder: Path, **texts: str) -> LogEvidence:
    """The evidence of files of these names."""
    paths = []
    for name, text in texts.items():
        paths.append(folder / name)
        paths[-1].write_text(text)
    return logs.read_paths(paths, year=2026)


EXIM = """\
2026-11-20 09:00:00 1vNaXy-000000005vi-0000 <= a@x.example U=www P=local S=900 id=1@x.example for c@y.example d@z.example
2026-11-20 09:00:01 1vNaXy-000000005vi-0000 == c@y.example R=dns T=remote_smtp H=mx.y.example [192.0.2.9]: SMTP error from remote mail server after RCPT TO:<c@y.example>: 451 4.7.1 later
2026-11-20 09:00:02 1vNaXy-000000005vi-0000 ** d@z.example: Unrouteable address
2026-11-24 09:00:00 1vNaXy-000000005vi-0000 ** c@y.example R=dns T=remote_smtp: retry timeout exceeded
2026-11-24 09:00:00 1vNaXy-000000005vi-0000 Completed
"""  # fmt: skip
REFUSED = (
    "2026-11-24 10:00:00 H=(x.example) [192.0.2.7] F=<a@x.example> rejected RCPT <b@y.example>: relay not permitted\n"
)


def test_mail_that_exim_gave_up_is_lost_though_the_last_line_names_no_server(tmp_path: Path) -> None:
    ends = read(tmp_path, mainlog=EXIM).outcomes
    assert dict(zip(ends["recipient"], ends["outcome"], strict=True)) == {"c@y.example": "lost", "d@z.example": "lost"}


WAITED = """\
2026-11-20 09:00:00 1vNaXy-000000005vi-0000 <= <> R=1vNaXx-000000005vi-0000 U=Debian-exim P=local S=900 for c@y.example
2026-11-20 09:00:01 1vNaXy-000000005vi-0000 == c@y.example R=dns T=remote_smtp H=mx.y.example [192.0.2.9]: SMTP error from remote mail server after RCPT TO:<c@y.example>: 451 4.7.1 greylisted
2026-11-20 09:15:00 1vNaXy-000000005vi-0000 == c@y.example R=dns T=remote_smtp defer (-53): retry time not reached for any host
2026-11-20 09:30:00 1vNaXy-000000005vi-0000 == c@y.example R=dns T=remote_smtp defer (-53): retry time not reached for any host
2026-11-20 09:45:00 1vNaXy-000000005vi-0000 == c@y.example R=dns T=remote_smtp H=mx.y.example [192.0.2.9]: SMTP error from remote mail server after RCPT TO:<c@y.example>: 451 4.7.1 greylisted
2026-11-20 10:00:00 1vNaXy-000000005vi-0000 == c@y.example R=dns T=remote_smtp defer (-53): retry time not reached for any host
"""  # fmt: skip


def test_what_exim_did_not_try_is_a_deferral_and_no_attempt(tmp_path: Path) -> None:
    sender = WAITED.replace("<= <>", "<= a@x.example")
    evidence = read(tmp_path, mainlog=sender)
    assert evidence.deliveries["status"].tolist() == ["deferred"] * 5
    assert evidence.deliveries["attempt"].tolist() == [1, 0, 0, 2, 0]
    (end,) = evidence.outcomes.to_dict("records")
    assert (end["outcome"], end["attempts"], end["reason"]) == ("pending", 2, "greylisted")
    bar = logs.replies_by_reason(evidence).data[0]
    assert list(bar.x) == [2]


def test_the_attempts_of_a_message_are_tries(tmp_path: Path) -> None:
    assert read(tmp_path, mainlog=WAITED).messages["attempts"].tolist() == [2]


def test_a_recipient_that_was_never_tried_is_pending(tmp_path: Path) -> None:
    untried = "".join(line for line in WAITED.splitlines(keepends=True) if "H=mx" not in line)
    ends = read(tmp_path, mainlog=untried.replace("<= <>", "<= a@x.example")).outcomes
    assert ends[["outcome", "attempts"]].values.tolist() == [["pending", 0]]


def test_a_trace_tells_what_was_not_tried_and_of_whom_a_bounce_is(tmp_path: Path) -> None:
    told = str(logs.trace(read(tmp_path, mainlog=WAITED), "c@y.example"))
    assert told.count("not tried for c@y.example: retry time not reached") == 3
    assert "from the null sender to c@y.example: deferred" in told


@pytest.mark.parametrize(("main", "reject", "counted"), [(3, 3, 3), (3, 0, 3), (0, 2, 2), (1, 2, 2)])
def test_exim_s_reject_log_adds_nothing_to_what_the_main_log_tells(
    tmp_path: Path, main: int, reject: int, counted: int
) -> None:
    assert len(read(tmp_path, mainlog=EXIM + REFUSED * main, rejectlog=REFUSED * reject).rejections) == counted


def test_a_host_that_no_line_names_is_absent_and_still_judged(tmp_path: Path) -> None:
    evidence = read(tmp_path, mainlog=EXIM + REFUSED * 10)
    assert evidence.messages["host"].isna().all()
    assert logs.check(evidence).of("logs.relay.attempts")
    assert len(logs.trace(evidence, "c@y.example").messages) == 1


def _kumomta(kind: str, at: int, code: int) -> str:
    return json.dumps({
        "type": kind, "id": "aa11", "sender": "a@x.example", "recipient": "b@y.example", "queue": "y.example", "site": "y", "size": 320,
        "response": {"code": code, "enhanced_code": None, "content": "said", "command": None}, "peer_address": {"name": "mx.y.example.", "addr": "192.0.2.9"},
        "timestamp": 1764063873 + at, "created": 1764063873, "num_attempts": 0, "nodeid": "n", "headers": {},
    })  # fmt: skip


@pytest.mark.parametrize(
    ("records", "outcome", "lifetime"),
    [
        ([("Delivery", 4, 250)], "accepted", 4.0),
        ([("TransientFailure", 4, 450), ("Delivery", 9, 250)], "accepted", 9.0),
        ([("Bounce", 2, 550)], "bounced", 2.0),
        ([("TransientFailure", 4, 450)], "pending", None),
    ],
)
def test_a_message_without_an_end_ends_with_its_recipients(
    tmp_path: Path, records: list[tuple[str, int, int]], outcome: str, lifetime: float | None
) -> None:
    lines = [_kumomta("Reception", 0, 250), *(_kumomta(*r) for r in records)]
    messages = read(tmp_path, kumo="\n".join(lines) + "\n").messages
    assert messages["outcome"].tolist() == [outcome]
    assert messages["lifetime"].dropna().tolist() == ([] if lifetime is None else [lifetime])


SENDMAIL = """\
Nov 25 09:00:00 mx1 sendmail[101]: 5AP900aa000101: from=<a@x.example>, size=300, class=0, nrcpts=2, msgid=<1@x.example>, proto=ESMTP, daemon=MTA, relay=c.x.example [192.0.2.7]
Nov 25 09:00:02 mx1 sendmail[103]: 5AP900aa000101: to=<b@y.example>, delay=00:00:02, xdelay=00:00:01, mailer=esmtp, pri=120300, relay=mx.y.example. [192.0.2.9], dsn=2.0.0, stat=Sent (ok)
Nov 25 09:00:03 mx1 sendmail[104]: 5AP900aa000104: <nobody@z.example>... User unknown
Nov 25 09:00:03 mx1 sendmail[104]: 5AP900aa000104: from=<q@x.example>, size=0, class=0, nrcpts=0, proto=ESMTP, daemon=MTA, relay=bad.x.example [192.0.2.66]
"""  # fmt: skip
LAST = "Nov 25 09:00:09 mx1 sendmail[103]: 5AP900aa000101: to=<e@y.example>, delay=00:00:09, xdelay=00:00:01, mailer=esmtp, pri=120300, relay=mx.y.example. [192.0.2.9], dsn=5.1.1, stat=User unknown\n"  # fmt: skip


def test_sendmail_s_refusal_of_a_recipient_has_the_client_of_its_message(tmp_path: Path) -> None:
    (row,) = read(tmp_path, maillog=SENDMAIL).rejections.to_dict("records")
    assert (row["client_ip"], row["client_host"], row["sender"]) == ("192.0.2.66", "bad.x.example", "q@x.example")


def test_sendmail_s_message_is_queued_until_all_recipients_are_told_and_never_if_none_was_taken(tmp_path: Path) -> None:
    assert read(tmp_path, maillog=SENDMAIL).messages["outcome"].tolist() == ["pending"]
    assert read(tmp_path, maillog=SENDMAIL + LAST).messages["outcome"].tolist() == ["mixed"]


QUEUED = """\
Nov 25 09:00:00 mx1 postfix/smtpd[1]: 4ABCDE1234: client=c.x.example[192.0.2.7]
Nov 25 09:00:01 mx1 postfix/qmgr[1]: 4ABCDE1234: from=<a@x.example>, size=300, nrcpt=1 (queue active)
"""
SENDMAIL_QUEUED = SENDMAIL.splitlines()[0].replace("5AP900aa000101", "4ABCDE1234") + "\n"
SIGNED = {
    "opendkim": "opendkim[7]: 4ABCDE1234: DKIM-Signature field added (s=s1, d=x.example)",
    "rspamd": "rspamd[7]: (normal) <a1b2c3>; task; rspamd_task_write_log: id: <1@x.example>, qid: <4ABCDE1234>,"
    " ip: 192.0.2.7, (default: F (no action): [-0.10/15.00] [DKIM_SIGNED(0.00){x.example:s=s1;}]), len: 300",
}


@pytest.mark.parametrize("signer", SIGNED)
@pytest.mark.parametrize(
    ("mta", "queued"),
    [("postfix", QUEUED), ("sendmail", SENDMAIL_QUEUED), (None, "")],
    ids=["postfix", "sendmail", "none"],
)
def test_who_signs_a_message_does_not_have_the_queue(tmp_path: Path, signer: str, mta: str | None, queued: str) -> None:
    (row,) = read(tmp_path, maillog=f"{queued}Nov 25 09:00:02 mx1 {SIGNED[signer]}\n").messages.to_dict("records")
    assert (row["queue_id"], row["mta"] if isinstance(row["mta"], str) else None) == ("4ABCDE1234", mta)


@pytest.mark.parametrize(
    "stamp", ["Nov 25 09:00:00", "<22>Nov 25 09:00:00", "2026-11-25T09:00:00.000000+00:00", "2026-11-25T09:00:00"]
)
@pytest.mark.parametrize("priority", ["", "<mail.info> ", "<22>"])
def test_a_priority_before_the_host_is_no_part_of_its_name(tmp_path: Path, stamp: str, priority: str) -> None:
    line = f"{stamp} {priority}mx1 postfix/qmgr[1]: 4ABCDE1234: from=<a@x.example>, size=300, nrcpt=1 (queue active)\n"
    evidence = read(tmp_path, maillog=line)
    assert evidence.messages[["host", "sender"]].to_numpy().tolist() == [["mx1", "a@x.example"]]
    assert evidence.problems.empty


def test_powermta_s_messages_to_one_recipient_are_told_apart_by_when_they_were_queued(tmp_path: Path) -> None:
    head = "type,timeLogged,timeQueued,orig,rcpt,dsnStatus,dsnDiag,dlvDestinationIp,jobId"
    rows = [
        "t,2026-11-25 09:00:02+0000,2026-11-25 09:00:00+0000,a@x.example,b@y.example,4.2.2 (full),smtp;452 4.2.2 full,192.0.2.9,j",
        "d,2026-11-25 09:30:02+0000,2026-11-25 09:00:00+0000,a@x.example,b@y.example,2.0.0 (success),smtp;250 ok,192.0.2.9,j",
        "b,2026-11-25 09:40:05+0000,2026-11-25 09:40:00+0000,a@x.example,b@y.example,5.1.1 (bad),smtp;550 5.1.1 no,192.0.2.9,j",
    ]  # fmt: skip
    ends = read(tmp_path, acct="\n".join([head, *rows]) + "\n").outcomes
    assert ends["outcome"].tolist() == ["accepted", "lost"]
    assert ends["delay"].tolist() == [1802.0, 5.0]


@pytest.mark.parametrize(("said", "attempts"), [("delivered", 3), ("deferred", 3), ("bounce", 3)])
def test_an_event_that_counts_no_tries_ends_those_that_were_put_off(tmp_path: Path, said: str, attempts: int) -> None:
    base = {"email": "r@x.example", "smtp-id": "<1@a.example>"}
    told = [{**base, "event": "deferred", "timestamp": 1_793_600_000 + n} for n in range(2)]
    told.append({**base, "event": said, "timestamp": 1_793_600_060})
    ends = read(tmp_path, events="\n".join(map(json.dumps, told)) + "\n").outcomes
    assert ends["attempts"].tolist() == [attempts]
