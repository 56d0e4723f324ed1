-- What a window leaves open for the next one; empty before the first.
create or replace temp table tls_held as
select seq, time, host, pid, relay_ip, tls_version, tls_cipher, tls_verified from event limit 0;
create or replace temp table tries_held as
select seq, time, host, mta, queue_id, message_id, sender, recipient, relay_host, relay_ip, relay_port, status, smtp_code,
    enhanced_code, response, delay, delay_before_queue, delay_in_queue, delay_connection, delay_transmission, tls_version,
    tls_cipher, tls_verified, connection_uses, size, attempt, source_ip, campaign, stream, header_from, dkim_domain,
    dkim_selector, provenance
from event limit 0;
create or replace temp table facts_held as
select seq, kind, time, host, mta, queue_id, message_id, sender, size, recipients, client_host, client_ip, sasl_user,
    header_from, dkim_domain, dkim_selector
from event limit 0;
create or replace temp table told_held as
select seq, kind, time, host, service, pid, client_host, client_ip, tls_version, auth_method, auth_user, auth_ok, ended,
    commands
from event limit 0;
