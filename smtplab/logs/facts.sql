-- What Postfix tells of messages (postconf(5)): one select a kind, each from the table of its lines.
select seq, 'client' as kind, time, host, split_part(program, '/', -1) as service, queue_id, pid,
    split_part(peer[1], '=', 2) as client_host, client[1] as client_ip,
    case when contains(client[2], 'sasl_') then nullif(split_part(split_part(client[2], ', sasl_method=', 2), ', ', 1), '')
        end as auth_method,
    case when contains(client[2], 'sasl_') then nullif(split_part(split_part(client[2], ', sasl_username=', 2), ', ', 1), '')
        end as sasl_user
from (select *, string_split(peer[2], ']') as client from (select *, string_split(text, '[') as peer from client))

union all by name
select seq, 'message_id' as kind, time, host, queue_id,
    nullif(trim(split_part(text, 'message-id=', 2), '<>'), '') as message_id
from message_id

union all by name
select seq, 'message_id' as kind, time, host, queue_id,
    nullif(lower(regexp_extract(text, '^warning: header (?i:from): [^;]*@([0-9A-Za-z._-]+)', 1)), '') as header_from
from header where contains(text, ': header ')

union all by name
select seq, case when starts_with(parts[2], 'size=') then 'message' else 'expired' end as kind, time, host, queue_id,
    split_part(split_part(parts[1], '<', 2), '>', 1) as sender,
    try_cast(split_part(parts[2], '=', 2) as bigint) as size,
    try_cast(split_part(split_part(parts[3], '=', 2), ' ', 1) as bigint) as recipients
from (select *, string_split(text, ', ') as parts from message)
where starts_with(parts[2], 'size=') or contains(text, 'expired, returned to sender')
