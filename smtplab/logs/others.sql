-- Events of those lines of Postfix that are not written as most are: each statement makes one kind of event of one kind
-- of line (postconf(5), DSN_README, TLS_README). A line is cut at its commas where that does, because a pattern with
-- groups costs many times as much.

-- delivery of delivery:
select seq, time, host, 'postfix' as mta, pid, queue_id, recipient, split_part(recipient, '@', -1) as recipient_domain,
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

-- client of client:
select seq, time, host, queue_id, split_part(peer[1], '=', 2) as client_host, client[1] as client_ip,
    case when contains(client[2], 'sasl_') then nullif(split_part(split_part(client[2], ', sasl_username=', 2), ', ', 1), '')
        end as sasl_user
from (select *, string_split(peer[2], ']') as client from (select *, string_split(text, '[') as peer from client))

-- message_id of message_id:
select seq, time, host, queue_id,
    nullif(trim(split_part(text, 'message-id=', 2), '<>'), '') as message_id
from message_id

-- message_id of header:
select seq, time, host, queue_id,
    nullif(lower(regexp_extract(text, '^warning: header (?i:from): [^;]*@([0-9A-Za-z._-]+)', 1)), '') as header_from
from header where contains(text, ': header ')

-- message of message:
select seq, time, host, queue_id, split_part(split_part(parts[1], '<', 2), '>', 1) as sender,
    try_cast(split_part(parts[2], '=', 2) as bigint) as size,
    try_cast(split_part(split_part(parts[3], '=', 2), ' ', 1) as bigint) as recipients
from (select *, string_split(text, ', ') as parts from message)
where starts_with(parts[2], 'size=')

-- expired of message:
select seq, time, host, queue_id, split_part(split_part(text, '<', 2), '>', 1) as sender
from message where contains(text, 'expired, returned to sender') and not contains(text, '>, size=')

-- sign_in of client:
select seq, time, host, split_part(program, '/', -1) as service, pid,
    split_part(split_part(text, '[', 1), '=', 2) as client_host,
    split_part(split_part(text, ']', 1), '[', 2) as client_ip,
    nullif(split_part(split_part(text, ', sasl_method=', 2), ', ', 1), '') as auth_method,
    split_part(split_part(text, ', sasl_username=', 2), ', ', 1) as auth_user, true as auth_ok
from client where contains(text, ', sasl_username=')

-- sign_in of sign_in:
select seq, time, host, split_part(program, '/', -1) as service, pid, f.name as client_host,
    f.ip as client_ip, f.method as auth_method, nullif(f.account, '') as auth_user, false as auth_ok
from (select *, regexp_extract(text,
    '^warning: ([^\[]*)\[([0-9a-fA-F.:]+)\](?::\d+)?: (?i:SASL) ([A-Za-z0-9-]+) authentication failed(?:.*?, sasl_username=(.+))?',
    ['name', 'ip', 'method', 'account']) as f from sign_in where contains(text, 'authentication failed'))
where f.ip <> ''

-- tls of tls:
select seq, time, host, pid,
    case words[5] when 'to' then peer[1] end as relay_host, case words[5] when 'to' then address end as relay_ip,
    case words[5] when 'from' then peer[1] end as client_host, case words[5] when 'from' then address end as client_ip,
    words[1] as tls_verified, words[7] as tls_version, words[10] as tls_cipher
from (
    select *, split_part(peer[2], ']', 1) as address
    from (select *, string_split(words[6], '[') as peer from (select *, string_split(text, ' ') as words from tls)))
where words[3] = 'connection' and words[9] = 'cipher'

-- session of session:
select seq, time, host, split_part(program, '/', -1) as service, pid,
    nullif(split_part(peer[1], ' ', 3), '') as client_host, client[1] as client_ip,
    case when starts_with(client[2], ' ') then substr(client[2], 2) end as commands
from (select *, string_split(peer[2], ']') as client from (select *, string_split(text, '[') as peer from session))
where client[1] <> ''

-- ending of sign_in:
select seq, time, host, split_part(program, '/', -1) as service, pid,
    nullif(f.name, '') as client_host, f.ip as client_ip, f.ended as ended
from (select *, regexp_extract(text,
    '^warning: ([A-Z][a-z ]+ (?:rate|concurrency) limit exceeded): \d+ from ([^\[]*)\[([0-9a-fA-F.:]+)\]',
    ['ended', 'name', 'ip']) as f from sign_in where contains(text, ' limit exceeded: '))
where f.ip <> ''

-- ending of ending:
select seq, time, host, split_part(program, '/', -1) as service, pid,
    nullif(f.name, '') as client_host, f.ip as client_ip, f.ended as ended
from (select *, regexp_extract(text, '^(.*?) from ([^\[]*)\[([0-9a-fA-F.:]+)\]', ['ended', 'name', 'ip']) as f
    from ending)
where f.ip <> ''

-- rejection of rejection:
select seq, time, host, split_part(program, '/', -1) as service, pid,
    nullif(queue_id, 'NOQUEUE') as queue_id,
    upper(coalesce(nullif(f.stage, ''), h.part)) as stage,
    nullif(coalesce(nullif(f.name, ''), h.name), '') as client_host, nullif(coalesce(nullif(f.ip, ''), h.ip), '') as client_ip,
    nullif(regexp_extract(text, '(?:;|,| )helo=<([^>]*)>', 1), '') as helo,
    nullif(regexp_extract(text, '(?:;|,| )from=<([^>]*)>', 1), '') as sender,
    nullif(regexp_extract(text, '(?:;|,| )to=<([^>]*)>', 1), '') as recipient,
    try_cast(nullif(f.code, '') as bigint) as smtp_code,
    nullif(coalesce(nullif(f.enhanced_code, ''), h.enhanced_code), '') as enhanced_code,
    split_part(coalesce(nullif(f.response, ''), h.response), '; from=<', 1) as response
from (
    select *, regexp_extract(text,
        '^(?:milter-|proxy-)?reject: ([A-Z-]+)(?: from ([^\[]*)\[([0-9a-fA-F.:]+)\](?::\d+)?)?: (?:(\d{3}) )?(?:(\d\.\d+\.\d+) )?(.*)$',
        ['stage', 'name', 'ip', 'code', 'enhanced_code', 'response']) as f,
        regexp_extract(text,
        '^(?:milter-)?reject: ([a-z-]+) .* from ([^\[; ]*)\[([0-9a-fA-F.:]+)\](?::\d+)?; .*?: (?:(\d\.\d+\.\d+) )?([^:]*)$',
        ['part', 'name', 'ip', 'enhanced_code', 'response']) as h
    from rejection)
where f.stage <> '' or h.ip <> ''
