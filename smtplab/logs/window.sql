-- The second step: a window of events, and what earlier windows left open, become rows of the tables. What may still
-- go on is held for the next window, so that memory does not follow the size of the logs.
-- Views: new_tries, new_facts, new_told, new_rest (events of this window). Variable: final (nothing comes behind).

create or replace temp table clock as
select host, max(time) as newest
from (select host, time from new_tries union all select host, time from new_facts union all select host, time from new_told)
group by host;

-- An outbound connection's TLS is told before its deliveries, by the same process. A process lives for hours, so
-- what was told a day before belongs to another one of the same number.
create or replace temp table tls_told as
select * from tls_held
union all
select hash(host, pid, relay_ip) as connection, seq, time, host, tls_version, tls_cipher, tls_verified
from new_told where kind = 'tls' and relay_ip is not null;

create or replace temp table tries as
select d.* exclude (pid, service, kind, connection, tls_version, tls_cipher, tls_verified),
    coalesce(d.tls_version, case when t.time >= d.time - interval 1 day then t.tls_version end) as tls_version,
    coalesce(d.tls_cipher, case when t.time >= d.time - interval 1 day then t.tls_cipher end) as tls_cipher,
    coalesce(d.tls_verified, case when t.time >= d.time - interval 1 day then t.tls_verified end) as tls_verified
from (select *, hash(host, pid, relay_ip) as connection from new_tries) as d
asof left join tls_told as t on d.connection = t.connection and d.seq >= t.seq
union all by name
select * from tries_held;

create or replace temp table tls_next as
select connection, arg_max(seq, seq) as seq, arg_max(time, seq) as time, host, arg_max(tls_version, seq) as tls_version,
    arg_max(tls_cipher, seq) as tls_cipher, arg_max(tls_verified, seq) as tls_verified
from tls_told left join clock using (host)
where coalesce(time >= newest - interval 1 day, true) and not getvariable('final')
group by connection, host;

create or replace temp view facts as
select *, 0 as turn from new_facts
union all by name
select seq, 'delivery' as kind, time, host, mta, queue_id, 0 as turn from new_tries
where queue_id is not null and provenance is distinct from 'provider event'
union all by name
select *, 0 as turn from facts_held;

create or replace temp macro messages_of(events) as table
select host, queue_id, turn, min(seq) as first, max(seq) as last, min(time) as time, max(time) as seen, max(mta) as mta,
    max(message_id) as message_id, max(sender) as sender, arg_max(size, seq) as size,
    arg_max(recipients, seq) as recipients, max(client_host) as client_host, max(client_ip) as client_ip,
    max(sasl_user) as sasl_user, max(header_from) as header_from, max(dkim_domain) as dkim_domain,
    max(dkim_selector) as dkim_selector, count(*) filter (kind = 'delivery') as attempts,
    bool_or(kind = 'expired') as expired, count(*) filter (kind = 'removed') as removals,
    max(time) filter (kind = 'removed') as removed, max(seq) filter (kind = 'removed') as removed_at
from query_table(events) group by host, queue_id, turn;

create or replace temp table whole as select * from messages_of('facts');

-- A queue id may be used again once its message was removed; Postfix keeps none longer than five days by default, so
-- an id that was silent for longer names another message.
create or replace temp table reused as
select host, queue_id from whole
where removals > 1 or removed_at < last or seen - time > interval 5 days;

create or replace temp table turned as
select * exclude (turn, ends, before), sum(case when ends or time - before > interval 5 days then 1 else 0 end)
    over (partition by host, queue_id order by seq rows unbounded preceding)::integer as turn
from (
    select *, lag(kind) over by_id = 'removed' as ends, lag(time) over by_id as before
    from facts semi join reused using (host, queue_id)
    window by_id as (partition by host, queue_id order by seq));

create or replace temp table queued as
select *, getvariable('final') or removals > 0 or coalesce(seen < newest - interval 5 days, false) as closed
from (
    select * from whole anti join reused using (host, queue_id)
    union all by name
    select * from messages_of('turned'))
left join clock using (host);

create or replace temp view placed as
select t.*, coalesce(r.turn, 0) as turn
from tries as t left join (select distinct seq, host, queue_id, turn from turned where kind = 'delivery') as r
    on t.seq = r.seq and t.host = r.host and t.queue_id = r.queue_id;

create or replace temp table numbered as
select seq, recipient, row_number() over (partition by host, queue_id, turn, recipient order by seq, time) as nth
from placed semi join (select host, queue_id, turn from queued where closed and attempts > 1) using (host, queue_id, turn)
where attempt is null;

-- KumoMTA, Exchange, OpenSMTPD and most of Sendmail tell of no end: a message ends with the last word on its recipients.
create or replace temp table settled as
select host, queue_id, turn, max(time) as ended
from (
    select host, queue_id, turn, lower(recipient) as recipient, arg_max(status, seq) as status, max(time) as time
    from placed semi join (
        select host, queue_id, turn from queued
        where closed and removals = 0 and coalesce(mta, 'postfix') not in ('postfix', 'exim', 'haraka')
    ) using (host, queue_id, turn)
    group by all)
join (select host, queue_id, turn, recipients from queued) using (host, queue_id, turn)
group by host, queue_id, turn having bool_and(status <> 'deferred') and count(*) >= coalesce(any_value(recipients), 0);

create or replace temp view messages as
select first as seq, time, host, coalesce(mta, 'postfix') as mta, queue_id, message_id, {lower_sender} as sender, size,
    recipients, client_host, client_ip, sasl_user, attempts,
    case when expired then 'expired' when removals > 0 or ended is not null then 'removed' else 'queued' end as outcome,
    epoch(coalesce(removed, ended) - time) as lifetime
from queued left join settled using (host, queue_id, turn)
-- Where every recipient was refused, nothing was queued.
where closed and (recipients is distinct from 0 or attempts > 0);

create or replace temp table facts_next as
with going as (select host, queue_id, turn from queued where not closed)
select * exclude (turn) from (
    select * from facts semi join going using (host, queue_id) anti join reused using (host, queue_id)
    union all by name
    select * from turned semi join going using (host, queue_id, turn));

-- Inbound connections: what was told of one before it ended goes with its end.
create or replace temp view told as
select * from told_held
union all
select seq, kind, time, host, service, nullif(pid, '') as pid, client_host, client_ip, tls_version, auth_method, auth_user, auth_ok, ended,
    commands
from new_told
where kind in ('sign_in', 'ending', 'session') or (kind = 'tls' and client_ip is not null);

create or replace temp table bound as
select * exclude (connection, ended_at, session, session_commands),
    case when ended_at <= time + interval 1 day then session end as session,
    case when ended_at <= time + interval 1 day then session_commands end as session_commands
from (
    select f.*, s.seq as session, s.commands as session_commands, s.time as ended_at
    from (select *, hash(host, pid, client_ip) as connection from told where kind <> 'session') as f
    asof left join (
        select seq, time, hash(host, pid, client_ip) as connection, commands from told
        where kind = 'session' and pid is not null) as s
        on f.connection = s.connection and f.seq <= s.seq);

create or replace temp table known as
select session, max(tls_version) as tls_version, max(ended) as ended, max(seq) filter (kind = 'sign_in') as signed
from bound where session is not null group by session;

-- A failed attempt that Dovecot's password database tells of is told again by the service that took it.
create or replace temp table twice as
select a.seq
from bound as a join (select seq, time, host, client_ip, service from bound where kind = 'sign_in' and not auth_ok) as b
    on a.host = b.host and a.client_ip = b.client_ip
where a.kind = 'sign_in' and a.service = 'auth' and b.service <> 'auth'
    and b.seq > a.seq and b.time <= a.time + interval 15 seconds;

-- A process that said nothing for a day has forgotten the connection.
create or replace temp table told_next as
select b.* exclude (session, session_commands)
from bound as b left join clock using (host)
where session is null and not getvariable('final') and coalesce(
    case when pid is not null and service is distinct from 'auth' then time >= newest - interval 1 day
        when service = 'auth' then time >= newest - interval 15 seconds else false end, true);

create or replace temp view connections as
select b.seq, b.time, b.host, b.service, b.client_host, b.client_ip, coalesce(b.tls_version, k.tls_version) as tls_version,
    case when b.seq = k.signed then b.session_commands end as commands, b.auth_method, b.auth_user, b.auth_ok,
    case when b.seq = k.signed then coalesce(b.ended, k.ended) else b.ended end as ended
from bound as b left join known as k using (session)
where kind = 'sign_in' and b.seq not in (select seq from told_next) and b.seq not in (select seq from twice)
union all by name
select s.seq, s.time, s.host, s.service, s.client_host, s.client_ip, coalesce(s.tls_version, k.tls_version) as tls_version,
    s.commands, s.auth_method, s.auth_user, s.auth_ok, coalesce(s.ended, k.ended) as ended
from (select * from told where kind = 'session') as s left join known as k on s.seq = k.session
where k.signed is null
union all by name
select seq, time, host, service, client_host, client_ip, tls_version, ended
from bound where kind = 'ending' and session is null and seq not in (select seq from told_next);

create or replace temp view begun as
select seq, time, message_id, queue_id, recipient from new_rest where kind in ('began', 'complaint');
