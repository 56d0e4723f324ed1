-- Exim's reject log tells the main log's refusals again. Of equal lines, those of the file that has most of them count.
select * from {rejections}
where service is distinct from 'exim' or seq in (
    select min(seq) from (
        -- The upper half of a line's number is its file's.
        select *, row_number() over (
            partition by seq >> 32, time, host, stage, client_ip, sender, recipient, response order by seq) as nth
        from {rejections} where service = 'exim')
    group by nth, time, host, stage, client_ip, sender, recipient, response)
