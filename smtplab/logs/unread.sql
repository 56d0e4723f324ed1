-- Lines of Postfix of which no event was made and that do tell something: number of the first, and the count, of each shape.
with left_over as (
    select seq, 'smtp' as program, text from delivery
    where seq not in (select seq from tries)
    union all
    select seq, 'qmgr', text from message where seq not in (
        select seq from facts where kind in ('message', 'expired'))
    union all
    select seq, 'smtpd', text from (from rejection union all by name from ending)
    where seq not in (
        select seq from told where kind in ('rejection', 'ending'))
    union all
    select seq, split_part(program, '/', -1), text from other)
select min(seq) as seq, count(*) as lines,
    'postfix/' || program || ': ' || left(regexp_replace(left(text, 400), '[0-9A-F]{6,}|\d+', '#', 'g'), 80) as shape
from left_over where not regexp_matches(text, $quiet)
group by shape
