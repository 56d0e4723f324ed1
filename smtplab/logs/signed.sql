-- A message that comes from a client who signed in tells of a sign-in too.
select seq, 'sign_in' as kind, time, host, mta, service, pid, client_host, client_ip, auth_method,
    sasl_user as auth_user, true as auth_ok
from made where kind = 'client' and sasl_user is not null
