-- Postfix's lines as events (postconf(5), DSN_README): one select a kind, each from the table of its lines.
-- Texts are cut by split_part where their form allows, because a pattern with groups costs many times as much.

select seq, 'delivery' as kind, time, host, 'postfix' as mta, split_part(program, '/', -1) as service, pid, queue_id,
    recipient,
    case when ends_with(relay, ']') or contains(relay, ']:') then split_part(relay, '[', 1)
        when relay <> 'none' then relay end as relay_host,
    nullif(split_part(split_part(relay, '[', 2), ']', 1), '') as relay_ip,
    try_cast(nullif(split_part(relay, ']:', 2), '') as bigint) as relay_port,
    case status when 'SOFTBOUNCE' then 'deferred' else status end as status,
    enhanced_code,
    -- syslog cuts long lines, so the closing parenthesis may be missing.
    case when ends_with(response, ')') then left(response, -1) else response end as response,
    try_cast(delay as double) as delay, try_cast(split_part(delays, '/', 1) as double) as delay_before_queue,
    try_cast(split_part(delays, '/', 2) as double) as delay_in_queue,
    try_cast(split_part(delays, '/', 3) as double) as delay_connection,
    try_cast(split_part(delays, '/', 4) as double) as delay_transmission,
    case when uses <> '' then try_cast(uses as bigint) when contains(relay, ']') then 1 end as connection_uses
from (
    select seq, time, host, program, pid, queue_id, unnest(case
        when starts_with(parts[6 + c], 'status=') and starts_with(parts[2 + o], 'relay=') then {
            recipient: split_part(split_part(parts[1], '<', 2), '>', 1),
            relay: split_part(parts[2 + o], '=', 2),
            uses: case when c > o then split_part(parts[2 + c], '=', 2) else '' end,
            delay: split_part(parts[3 + c], '=', 2), delays: split_part(parts[4 + c], '=', 2),
            enhanced_code: split_part(parts[5 + c], '=', 2),
            status: split_part(split_part(parts[6 + c], '=', 2), ' ', 1),
            response: substr(text, strpos(text, ' (') + 2)}
        else regexp_extract(text,
            '^to=<([^>]*)>,(?: orig_to=<[^>]*>,)? relay=([^, ]+),(?: conn_use=(\d+),)? delay=([\d.]+), delays=([\d./]+), dsn=(\d\.\d+\.\d+), status=([A-Za-z]+) \((.*)$',
            ['recipient', 'relay', 'uses', 'delay', 'delays', 'enhanced_code', 'status', 'response']) end)
    from (
        select *, o + case when starts_with(parts[3 + o], 'conn_use=') then 1 else 0 end as c
        from (
            select *, case when starts_with(parts[2], 'orig_to=') then 1 else 0 end as o
            from (select *, string_split(text, ', ') as parts from delivery))))
-- Others (deliverable, undeliverable) are probes of addresses: nothing was sent.
where status in ('sent', 'deferred', 'SOFTBOUNCE', 'bounced', 'expired')

union all by name
select seq, 'client' as kind, time, host, split_part(program, '/', -1) as service, queue_id, pid,
    split_part(split_part(text, '[', 1), '=', 2) as client_host,
    split_part(split_part(text, ']', 1), '[', 2) as client_ip,
    nullif(split_part(split_part(text, ', sasl_method=', 2), ', ', 1), '') as auth_method,
    nullif(split_part(split_part(text, ', sasl_username=', 2), ', ', 1), '') as sasl_user
from client

union all by name
select seq, 'message_id' as kind, time, host, queue_id,
    nullif(trim(split_part(text, 'message-id=', 2), '<>'), '') as message_id
from message_id

union all by name
select seq, 'message_id' as kind, time, host, queue_id,
    nullif(lower(regexp_extract(text, '^warning: header (?i:from): [^;]*@([0-9A-Za-z._-]+)', 1)), '') as header_from
from header where contains(text, ': header ')

union all by name
select seq, case when contains(text, '>, size=') then 'message' else 'expired' end as kind, time, host, queue_id,
    split_part(split_part(text, '<', 2), '>', 1) as sender,
    try_cast(split_part(split_part(text, '>, size=', 2), ',', 1) as bigint) as size,
    try_cast(split_part(split_part(text, ', nrcpt=', 2), ' ', 1) as bigint) as recipients
from message where contains(text, '>, size=') or contains(text, 'expired, returned to sender')

union all by name
select seq, 'removed' as kind, time, host, queue_id from removed

union all by name
select seq, 'rejection' as kind, time, host, split_part(program, '/', -1) as service, pid,
    nullif(queue_id, 'NOQUEUE') as queue_id,
    upper(coalesce(nullif(f.stage, ''), h.part)) as stage,
    nullif(coalesce(nullif(f.name, ''), h.name), '') as client_host, coalesce(nullif(f.ip, ''), h.ip) as client_ip,
    nullif(regexp_extract(text, '(?:;|,| )helo=<([^>]*)>', 1), '') as helo,
    nullif(regexp_extract(text, '(?:;|,| )from=<([^>]*)>', 1), '') as sender,
    nullif(regexp_extract(text, '(?:;|,| )to=<([^>]*)>', 1), '') as recipient,
    try_cast(nullif(f.code, '') as bigint) as smtp_code,
    nullif(coalesce(nullif(f.enhanced_code, ''), h.enhanced_code), '') as enhanced_code,
    split_part(coalesce(nullif(f.response, ''), h.response), '; from=<', 1) as response
from (
    select *, regexp_extract(text,
        '^(?:milter-)?reject: ([A-Z-]+) from ([^\[]*)\[([0-9a-fA-F.:]+)\](?::\d+)?: (?:(\d{3}) )?(?:(\d\.\d+\.\d+) )?(.*)$',
        ['stage', 'name', 'ip', 'code', 'enhanced_code', 'response']) as f,
        regexp_extract(text,
        '^(?:milter-)?reject: ([a-z-]+) .* from ([^\[; ]*)\[([0-9a-fA-F.:]+)\](?::\d+)?; .*?: (?:(\d\.\d+\.\d+) )?([^:]*)$',
        ['part', 'name', 'ip', 'enhanced_code', 'response']) as h
    from rejection)
where f.ip <> '' or h.ip <> ''

union all by name
select seq, 'sign_in' as kind, time, host, split_part(program, '/', -1) as service, pid, f.name as client_host,
    f.ip as client_ip, f.method as auth_method, nullif(f.account, '') as auth_user, false as auth_ok
from (select *, regexp_extract(text,
    '^warning: ([^\[]*)\[([0-9a-fA-F.:]+)\]: (?i:SASL) ([A-Za-z0-9-]+) authentication failed(?:.*?, sasl_username=(.+))?',
    ['name', 'ip', 'method', 'account']) as f from sign_in where contains(text, 'authentication failed'))
where f.ip <> ''

union all by name
select seq, 'tls' as kind, time, host, pid,
    case way when 'to' then split_part(peer, '[', 1) end as relay_host,
    case way when 'to' then split_part(split_part(peer, '[', 2), ']', 1) end as relay_ip,
    case way when 'from' then split_part(peer, '[', 1) end as client_host,
    case way when 'from' then split_part(split_part(peer, '[', 2), ']', 1) end as client_ip,
    split_part(text, ' ', 1) as tls_verified, split_part(text, ' ', 7) as tls_version,
    split_part(text, ' ', 10) as tls_cipher
from (select *, split_part(text, ' ', 5) as way, split_part(text, ' ', 6) as peer from tls
    where contains(text, ' TLS connection ') and contains(text, ' with cipher '))

union all by name
select seq, 'session' as kind, time, host, split_part(program, '/', -1) as service, pid,
    split_part(split_part(text, '[', 1), ' ', -1) as client_host,
    split_part(split_part(text, ']', 1), '[', 2) as client_ip, nullif(split_part(text, '] ', 2), '') as commands
from session

union all by name
select seq, 'ending' as kind, time, host, split_part(program, '/', -1) as service, pid,
    nullif(f.name, '') as client_host, f.ip as client_ip, f.ended as ended
from (select *, regexp_extract(text, '^(.*?) from ([^\[]*)\[([0-9a-fA-F.:]+)\]', ['ended', 'name', 'ip']) as f
    from ending)
where f.ip <> ''
