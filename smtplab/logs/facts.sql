-- What Postfix tells of messages (postconf(5)): one select a kind, each from the table of its lines.
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
