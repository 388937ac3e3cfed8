local find, match, sub, format = string.find, string.match, string.sub, string.format
local pattern = "dovecot: ([%w-]+%-login): .-Maximum number of connections from user%+IP exceeded "
    .. "%(mail_max_userip_connections=(%d+)%).-: user=<(.*)>, method=([^,]+), rip=([^,]+), lip=([^,\"]+)"
local fields = ',"event":{"kind":"event","category":["network"],"type":["connection","denied"],'
    .. '"action":"connection-limit-exceeded","code":"mail_max_userip_connections","outcome":"failure",'
    .. '"module":"dovecot","dataset":"dovecot.maxconn"},"user":{"name":"%s"},"source":{"ip":"%s"},'
    .. '"destination":{"ip":"%s"},"service":{"type":"dovecot","name":"%s"},"network":{"protocol":"imap"},'
    .. '"related":{"ip":["%s","%s"],"user":["%s"]},"tls":{"established":%s},"maxconn":{"limit":{'
    .. '"name":"mail_max_userip_connections","value":%s,"scope":"user+ip"},"auth_method":"%s"}}'

return function(record, suppress)
    if not find(record, needle, 1, true) then return 0 end
    local service, limit, user, method, rip, lip = match(record, pattern)
    if not service then return 0 end
    if suppress then return -1 end
    local tls = find(record, ", TLS", 1, true) and "true" or "false"
    return 1, sub(record, 1, -2) .. format(fields, user, rip, lip, service, rip, lip, user, tls, limit, method)
end
