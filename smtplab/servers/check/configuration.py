"""What a configuration file explains."""

from __future__ import annotations

from collections.abc import Iterator

from smtplab.findings import Finding
from smtplab.servers.configuration import Configuration


def _configuration(config: Configuration) -> Iterator[Finding]:
    host = config.host
    if config.program == "postfix":
        if config.value("smtp_connection_cache_on_demand") == "no":
            seen = config.seen("smtp_connection_cache_on_demand")
            yield Finding("servers.configuration.connection_cache_off", host, seen, host=host)
        signs_in = config.value("smtpd_sasl_auth_enable") == "yes"
        if signs_in and config.value("smtpd_tls_auth_only", "no") == "no":
            seen = config.seen("smtpd_tls_auth_only", "smtpd_sasl_auth_enable")
            yield Finding("servers.configuration.auth_only_off", host, seen, host=host)
    # Dovecot 2.4 turned the setting round and gave it a new name.
    elif config.value("disable_plaintext_auth") == "no" or config.value("auth_allow_cleartext") == "yes":
        seen = config.seen("disable_plaintext_auth", "auth_allow_cleartext")
        yield Finding("servers.configuration.plaintext_allowed", host, seen, host=host)
