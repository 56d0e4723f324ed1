-- The rows of a window's deliveries with what their values mean: provider, reason, stream, our own address. Each value
-- that differs was judged once, in the tables providers, meanings, own and streams.
create or replace temp view deliveries as
select j.* exclude (number, campaign, in_stream, source_ip, header_from, dkim_domain, dkim_selector, provenance, sender_domain),
    coalesce(j.in_stream, s.name) as stream, coalesce(s.campaign, j.campaign) as campaign,
    coalesce(j.source_ip, s.source_ip) as source_ip, coalesce(j.header_from, s.header_from) as header_from,
    coalesce(j.dkim_domain, s.dkim_domain) as dkim_domain, coalesce(j.dkim_selector, s.dkim_selector) as dkim_selector,
    nullif(concat_ws('; ', nullif(j.provenance, ''),
        case when s.name is not null and j.in_stream is null then 'stream in case.toml' end), '') as provenance
from (
    select *, {chosen} as number
    from (
        select d.seq, d.message, d.from_event, d.time, d.host, d.mta, d.queue_id, d.message_id, {sender} as sender,
            {sender_domain} as sender_domain, {recipient} as recipient, d.recipient_domain, p.provider,
            d.relay_host, d.relay_ip, d.relay_port, d.status,
            case when d.status = 'sent' then d.smtp_code else coalesce(m.smtp_code, d.smtp_code) end as smtp_code,
            case when d.status = 'sent' then d.enhanced_code else m.enhanced_code end as enhanced_code, d.response,
            m.reason, m.rule, d.delay, d.delay_before_queue, d.delay_in_queue, d.delay_connection,
            d.delay_transmission, d.tls_version, d.tls_cipher, d.tls_verified, d.connection_uses, d.size,
            coalesce(d.attempt, n.nth, 1) as attempt, coalesce(d.source_ip, q.address, h.address) as source_ip,
            d.stream as in_stream, d.campaign, d.header_from, d.dkim_domain, d.dkim_selector,
            concat_ws('; ', nullif(d.provenance, ''), case when d.source_ip is not null then null
                when q.address is not null and q.address is distinct from h.address then 'address quoted in the reply'
                when h.address is not null then 'host in case.toml' end) as provenance
        from (
            select p.* exclude (mta, message_id, sender, size, header_from, dkim_domain, dkim_selector, provenance, shape),
                q.first as message, p.provenance is not distinct from 'provider event' as from_event,
                coalesce(p.mta, q.mta) as mta, coalesce(p.message_id, q.message_id) as message_id,
                coalesce(p.sender, q.sender) as sender, coalesce(p.size, q.size) as size,
                coalesce(p.header_from, q.header_from) as header_from,
                coalesce(p.dkim_domain, q.dkim_domain) as dkim_domain,
                coalesce(p.dkim_selector, q.dkim_selector) as dkim_selector,
                concat_ws('; ', p.provenance, case when q.dkim_domain is not null then 'signature in the log' end,
                    case when q.header_from is not null then 'header in the log' end) as provenance,
                lower(split_part(p.recipient, '@', -1)) as recipient_domain,
                case when p.status <> 'sent' then {shape} end as shape, {quoted} as quoted
            from (select *, null as shape from placed) as p
            left join queued as q on p.host = q.host and p.queue_id = q.queue_id and p.turn = q.turn
            where q.closed or q.closed is null) as d
        left join numbered as n on d.attempt is null and d.seq = n.seq and d.recipient = n.recipient
        left join providers as p on d.recipient_domain = p.domain and coalesce(d.relay_host, '') = p.relay_host
        left join meanings as m on d.shape = m.shape and d.smtp_code is not distinct from m.given_code
            and d.enhanced_code is not distinct from m.given_enhanced and p.provider = m.provider
        left join own as h on d.host = h.host and h.first
        left join own as q on d.quoted = q.address and d.host = q.host)) as j
left join streams as s using (number);

create or replace temp table tries_next as
select p.* exclude (turn) from placed as p join queued as q
    on p.host = q.host and p.queue_id = q.queue_id and p.turn = q.turn
where not q.closed;

create or replace temp view rejections as
select r.* exclude (shape, sender, recipient), nullif(sender, '') as sender, nullif(recipient, '') as recipient, f.reason
from (
    -- Sendmail's "User unknown" names no client: the message's own line does.
    select t.seq, t.time, t.host, service, stage, coalesce(t.client_host, w.client_host) as client_host,
        coalesce(t.client_ip, w.client_ip) as client_ip, helo, coalesce(t.sender, w.sender) as sender, recipient,
        smtp_code, enhanced_code, response, {shape} as shape
    from new_told as t left join whole as w
        on t.client_ip is null and t.host = w.host and t.queue_id = w.queue_id
    where t.kind = 'rejection') as r
left join refusals as f on r.shape = f.shape and r.smtp_code is not distinct from f.code
    and r.enhanced_code is not distinct from f.enhanced;

create or replace temp view complaints as
select d.seq, d.time, {recipient} as recipient, coalesce(d.stream, s.name) as stream, coalesce(s.campaign, d.campaign) as campaign
from (
    select *, {chosen} as number
    from (select *, {sender_domain} as sender_domain from new_rest as d where kind = 'complaint')) as d
left join streams as s using (number);
