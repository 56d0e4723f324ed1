-- What the values of a window's deliveries mean: provider, reason, stream, our own address. Each value that differs was
-- judged once, in the tables providers, meanings and own.
create or replace temp table judged as
select d.* exclude (smtp_code, enhanced_code, attempt, source_ip, provenance, sender, recipient),
    {sender} as sender, {recipient} as recipient, lower(split_part({sender}, '@', -1)) as sender_domain,
    coalesce(d.attempt, n.nth) as attempt, p.provider,
    case when d.status = 'sent' then d.smtp_code else coalesce(m.smtp_code, d.smtp_code) end as smtp_code,
    case when d.status = 'sent' then d.enhanced_code else m.enhanced_code end as enhanced_code,
    m.reason, m.rule, coalesce(d.source_ip, q.address, h.address) as source_ip,
    concat_ws('; ', nullif(d.provenance, ''), case when d.source_ip is not null then null
        when q.address is not null and q.address is distinct from h.address then 'address quoted in the reply'
        when h.address is not null then 'host in case.toml' end) as provenance
from (select *, {shape} as shape, {quoted} as quoted from out_deliveries) as d
left join numbered as n on d.attempt is null and d.seq = n.seq and d.recipient = n.recipient
left join providers as p on d.recipient_domain = p.domain and coalesce(d.relay_host, '') = p.relay_host
left join meanings as m on d.status <> 'sent' and d.shape = m.shape and d.smtp_code is not distinct from m.given_code
    and d.enhanced_code is not distinct from m.given_enhanced and p.provider = m.provider
left join own as h on d.host = h.host and h.first
left join own as q on d.quoted = q.address and (q.host = d.host)
