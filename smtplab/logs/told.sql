-- What Postfix tells of connections: sign-ins, TLS in both directions, how they ended, and what was refused.
select seq, 'sign_in' as kind, time, host, split_part(program, '/', -1) as service, pid,
    split_part(split_part(text, '[', 1), '=', 2) as client_host,
    split_part(split_part(text, ']', 1), '[', 2) as client_ip,
    nullif(split_part(split_part(text, ', sasl_method=', 2), ', ', 1), '') as auth_method,
    split_part(split_part(text, ', sasl_username=', 2), ', ', 1) as auth_user, true as auth_ok
from client where contains(text, ', sasl_username=')

union all by name
select seq, 'sign_in' as kind, time, host, split_part(program, '/', -1) as service, pid, f.name as client_host,
    f.ip as client_ip, f.method as auth_method, nullif(f.account, '') as auth_user, false as auth_ok
from (select *, regexp_extract(text,
    '^warning: ([^\[]*)\[([0-9a-fA-F.:]+)\](?::\d+)?: (?i:SASL) ([A-Za-z0-9-]+) authentication failed(?:.*?, sasl_username=(.+))?',
    ['name', 'ip', 'method', 'account']) as f from sign_in where contains(text, 'authentication failed'))
where f.ip <> ''

union all by name
select seq, 'tls' as kind, time, host, pid,
    case words[5] when 'to' then peer[1] end as relay_host, case words[5] when 'to' then address end as relay_ip,
    case words[5] when 'from' then peer[1] end as client_host, case words[5] when 'from' then address end as client_ip,
    words[1] as tls_verified, words[7] as tls_version, words[10] as tls_cipher
from (
    select *, split_part(peer[2], ']', 1) as address
    from (select *, string_split(words[6], '[') as peer from (select *, string_split(text, ' ') as words from tls)))
where words[3] = 'connection' and words[9] = 'cipher'

union all by name
select seq, 'session' as kind, time, host, split_part(program, '/', -1) as service, pid,
    nullif(split_part(peer[1], ' ', 3), '') as client_host, client[1] as client_ip,
    case when starts_with(client[2], ' ') then substr(client[2], 2) end as commands
from (select *, string_split(peer[2], ']') as client from (select *, string_split(text, '[') as peer from session))
where client[1] <> ''

union all by name
select seq, 'ending' as kind, time, host, split_part(program, '/', -1) as service, pid,
    nullif(f.name, '') as client_host, f.ip as client_ip, f.ended as ended
from (select *, regexp_extract(text,
    '^warning: ([A-Z][a-z ]+ (?:rate|concurrency) limit exceeded): \d+ from ([^\[]*)\[([0-9a-fA-F.:]+)\]',
    ['ended', 'name', 'ip']) as f from sign_in where contains(text, ' limit exceeded: '))
where f.ip <> ''

union all by name
select seq, 'ending' as kind, time, host, split_part(program, '/', -1) as service, pid,
    nullif(f.name, '') as client_host, f.ip as client_ip, f.ended as ended
from (select *, regexp_extract(text, '^(.*?) from ([^\[]*)\[([0-9a-fA-F.:]+)\]', ['ended', 'name', 'ip']) as f
    from ending)
where f.ip <> ''

union all by name
select seq, 'rejection' as kind, time, host, split_part(program, '/', -1) as service, pid,
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
