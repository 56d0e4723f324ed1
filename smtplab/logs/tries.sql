-- Delivery attempts of Postfix (postconf(5), DSN_README). The line is cut at its commas, because a pattern with groups
-- costs many times as much; where an address holds a comma itself, the pattern is used.
select seq, 'delivery' as kind, time, host, 'postfix' as mta, split_part(program, '/', -1) as service, pid, queue_id,
    recipient, split_part(recipient, '@', -1) as recipient_domain,
    case when relay <> 'none' then split_part(relay, '[', 1) end as relay_host,
    nullif(split_part(split_part(relay, '[', 2), ']', 1), '') as relay_ip,
    try_cast(nullif(split_part(relay, ']:', 2), '') as bigint) as relay_port,
    case status when 'SOFTBOUNCE' then 'deferred' else status end as status, enhanced_code,
    -- syslog cuts long lines, so the closing parenthesis may be missing.
    case when ends_with(response, ')') then left(response, -1) else response end as response,
    try_cast(delay as double) as delay, try_cast(split_part(delays, '/', 1) as double) as delay_before_queue,
    try_cast(split_part(delays, '/', 2) as double) as delay_in_queue,
    try_cast(split_part(delays, '/', 3) as double) as delay_connection,
    try_cast(split_part(delays, '/', 4) as double) as delay_transmission,
    case when uses <> '' then try_cast(uses as bigint) when contains(relay, ']') then 1 end as connection_uses
from (
    select seq, time, host, program, pid, queue_id,
        case when not plain then odd.recipient when starts_with(parts[1], 'to=<') then split_part(split_part(parts[1], '<', 2), '>', 1)
            else substr(parts[1], 4) end as recipient,
        case when plain then split_part(parts[2 + o], '=', 2) else odd.relay end as relay,
        case when plain then case when c > o then split_part(parts[2 + c], '=', 2) else '' end else odd.uses end as uses,
        case when plain then split_part(parts[3 + c], '=', 2) else odd.delay end as delay,
        case when plain then split_part(parts[4 + c], '=', 2) else odd.delays end as delays,
        case when plain then split_part(parts[5 + t], '=', 2) else odd.enhanced_code end as enhanced_code,
        case when plain then split_part(split_part(parts[6 + t], '=', 2), ' ', 1) else odd.status end as status,
        case when plain then substr(text, strpos(text, ' (') + 2) else odd.response end as response
    from (
        select *, case when not plain then regexp_extract(text,
            '^to=<([^>]*)>,(?: orig_to=<[^>]*>,)? relay=([^, ]+),(?: conn_use=(\d+),)? delay=([\d.]+), delays=([\d./]+),(?: tls=[^ ,]+,)? dsn=(\d\.\d+\.\d+), status=([A-Za-z]+) \((.*)$',
            ['recipient', 'relay', 'uses', 'delay', 'delays', 'enhanced_code', 'status', 'response']) end as odd
        from (
            select *, coalesce(starts_with(parts[2 + o], 'relay=') and starts_with(parts[6 + t], 'status='), false) as plain
            from (
                -- Since 3.10 the TLS level that was wanted may stand before the enhanced code.
                select *, c + case when starts_with(parts[5 + c], 'tls=') then 1 else 0 end as t from (
                select *, o + case when starts_with(parts[3 + o], 'conn_use=') then 1 else 0 end as c
                from (
                    select *, case when starts_with(parts[2], 'orig_to=') then 1 else 0 end as o
                    from (select *, string_split(text, ', ') as parts from delivery)))))))
-- Others (deliverable, undeliverable) are probes of addresses: nothing was sent.
where status in ('sent', 'deferred', 'SOFTBOUNCE', 'bounced', 'expired')
