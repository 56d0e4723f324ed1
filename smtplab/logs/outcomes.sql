-- What became of each recipient in the end. Mail that one of our own servers hands to another (RFC 5321 sections 2.3.10
-- and 3.9) ends there for nobody; only what the last of them says is a recipient's outcome.
create or replace temp table trail as
select d.seq, d.recipient, d.status,
    -- PowerMTA's accounting names no message: sender and the moment of queueing tell one from the next.
    coalesce(d.message, -(hash(d.host, d.sender, d.message_id,
        coalesce(round(epoch(d.time) - d.delay), d.seq)) >> 1)::bigint) as message,
    coalesce(m.time, case when d.message is null then d.time - to_microseconds((d.delay * 1e6)::bigint) end) as queued_at,
    coalesce(m.outcome = 'expired', false) as expired,
    -- The line that tells a message's size tells its sender: without one, the sender is not known.
    (d.sender is not null or m.size is null) and coalesce(d.relay_host, '') not in ('local', 'virtual') as of_ours,
    case when d.status = 'sent' then d.message_id end as handed_on,
    d.status = 'sent' and d.message_id is not null and case
        -- A content filter hands the message back to the same server under another queue id.
        when regexp_matches(coalesce(d.relay_ip, ''), '^(?:127\.[0-9.]+|::1)$') then coalesce(here.held, 0) > 1
        else coalesce(there.held, 0) > 0 end as leads_on
from (
    select * from deliveries where not from_event and attempt > 0
    union all
    -- What was not tried says nothing of a recipient, unless nothing else is known.
    select * from deliveries as w where not from_event and attempt = 0 and not exists (
        select 1 from deliveries as t where t.attempt > 0 and t.message = w.message and t.recipient = w.recipient)) as d
left join messages as m on d.message = m.seq
left join (select lower(split_part(host, '.', 1)) as label, message_id, count(*) as held from messages
    where message_id is not null group by all) as here
    on lower(split_part(d.host, '.', 1)) = here.label and d.message_id = here.message_id
left join ours as o on d.relay_ip = o.address
left join ours as n on o.address is null and d.relay_host = n.address
left join (select lower(split_part(host, '.', 1)) as label, message_id, count(*) as held from messages
    where message_id is not null group by all) as there
    on coalesce(o.label, n.label) = there.label and d.message_id = there.message_id;

create or replace temp table begun_by_hop as
select handed_on as message_id, lower(recipient) as recipient, min(queued_at) as begun
from trail where leads_on group by all;

create or replace temp table ended as
select * from (
    -- What the null sender gets is our own bounces and reports, nobody's lost mail.
    select *, row_number() over (partition by message, recipient order by seq desc) as nth,
        max(case when status = 'sent' and before is not null then seq end) over (partition by message, recipient) as taken
    from (
        select *, lag(seq) over (partition by message, recipient order by seq) as before
        from trail
        where not leads_on and of_ours))
where nth = 1 or seq = taken;

create or replace temp table outcomes as
with finals as (
    -- What is wide is joined where it is known which rows are wanted.
    select d.* exclude (message), e.expired, e.queued_at, least(e.queued_at, coalesce(b.begun, e.queued_at)) as began,
        h.smtp_code as held_code, h.enhanced_code as held_enhanced, h.response as held_response,
        h.reason as held_reason, h.rule as held_rule, h.seq as held, 'log' as origin
    from (select * from ended where nth = 1) as e
    join (select * from deliveries where not from_event) as d
        on e.seq = d.seq and e.recipient is not distinct from d.recipient
    left join (select message, recipient, before from ended where seq = taken) as k
        on e.message = k.message and e.recipient = k.recipient
    left join (select * from deliveries where not from_event and status <> 'sent') as h
        on k.before = h.seq and e.recipient = h.recipient
    left join begun_by_hop as b on d.message_id = b.message_id and lower(e.recipient) = b.recipient
    union all by name
    -- Few events count the tries; each that was put off is one, and the last word is another.
    select * exclude (key, put_off)
        replace (greatest(attempt, put_off + case when status = 'deferred' then 0 else 1 end) as attempt), 'event' as origin
    from (
        select *, false as expired, row_number() over (partition by key, recipient order by time desc, seq desc) as nth,
            min(time) over (partition by key, recipient) as began_here,
            count(*) filter (status = 'deferred') over (partition by key, recipient) as put_off
        from (select *, coalesce(message_id, queue_id) as key from deliveries where from_event))
    left join (select coalesce(message_id, queue_id) as key, {recipient} as recipient, min(time) as taken_at from begun group by all)
        as t using (key, recipient)
    where nth = 1),
timed as (
    select *, coalesce(began, least(began_here, taken_at)) as start,
        epoch_us(time) / 1e6 - epoch_us(coalesce(began, least(began_here, taken_at))) / 1e6 as took
    from finals),
told as (
    select t.*, case when status = 'sent' then case when took > s.late_after then 'late' else 'accepted' end
        when status in ('bounced', 'expired', 'discarded') or expired then 'lost' else 'pending' end as outcome
    from timed as t left join (select name, any_value(late_after) as late_after from streams group by name) as s
        on t.stream = s.name)
select start as time, time as last_time, host, mta, queue_id, message_id, sender,
    lower(nullif(split_part(sender, '@', -1), '')) as sender_domain, recipient, recipient_domain, provider, outcome,
    attempt as attempts, took as delay,
    -- What made it late is the reply that held it back, not the one that took it.
    case when outcome = 'late' and held is not null then held_code else smtp_code end as smtp_code,
    case when outcome = 'late' and held is not null then held_enhanced else enhanced_code end as enhanced_code,
    case when outcome = 'late' and held is not null then held_response else response end as response,
    case when outcome = 'late' and held is not null then held_reason else reason end as reason,
    case when outcome = 'late' and held is not null then held_rule else rule end as rule,
    source_ip, stream, campaign, header_from, dkim_domain, dkim_selector, provenance, origin, seq
from told;
