-- What the window before left open becomes what this one starts with; nothing before the first.
create temp table if not exists tls_next as
select hash(host, pid, relay_ip) as connection, seq, time, host, tls_version, tls_cipher, tls_verified
from new_told limit 0;
create temp table if not exists tries_next as select * exclude (pid, service, kind) from new_tries limit 0;
create temp table if not exists facts_next as select * from new_facts limit 0;
create temp table if not exists told_next as
select seq, kind, time, host, service, pid, client_host, client_ip, tls_version, auth_method, auth_user, auth_ok, ended,
    commands
from new_told limit 0;
create or replace temp table tls_held as select * from tls_next;
create or replace temp table tries_held as select * from tries_next;
create or replace temp table facts_held as select * from facts_next;
create or replace temp table told_held as select * from told_next;
