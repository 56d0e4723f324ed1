-- What a window leaves open for the next one; empty before the first.
create temp table if not exists tls_held as
select hash(host, pid, relay_ip) as connection, seq, time, host, tls_version, tls_cipher, tls_verified
from new_told limit 0;
create temp table if not exists tries_held as select * exclude (pid, service, kind) from new_tries limit 0;
create temp table if not exists facts_held as select * from new_facts limit 0;
create temp table if not exists told_held as
select seq, kind, time, host, service, pid, client_host, client_ip, tls_version, auth_method, auth_user, auth_ok, ended,
    commands
from new_told limit 0;
