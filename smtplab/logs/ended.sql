-- How each message ended, by the last word on each of its recipients; none where no attempt is in the logs.
select message, case when bool_or(status = 'expired') then 'expired' when bool_and(status = 'sent') then 'accepted'
    when bool_or(status = 'sent') then 'mixed' when bool_or(status = 'bounced') then 'bounced'
    when bool_and(status = 'discarded') then 'discarded' end as word
from (
    select message, lower(recipient) as recipient, arg_max(status, seq) as status
    from {deliveries} where message is not null and not from_event group by all)
group by message
