-- Lines of Postfix of which no event was made and that do tell something: number of the first, and the count, of each shape.
select min(seq) as seq, count(*) as lines,
    'postfix/' || coalesce(split_part(program, '/', -1), 'qmgr') || ': '
        || left(regexp_replace(left(text, 400), '[0-9A-F]{6,}|\d+', '#', 'g'), 80) as shape
from left_over anti join told using (seq) where not regexp_matches(text, $quiet)
group by shape
