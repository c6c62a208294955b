-- Takes off the outbox what was carried over, unless it was owed anew meanwhile.
-- ARGV: ..., then until when it was owed (in microseconds) and what, in pairs
-- OK: now_us, owed.
for i = 3, #ARGV, 2 do
  local since = redis.call('ZSCORE', key('outbox'), ARGV[i + 1])
  if since and tonumber(since) <= tonumber(ARGV[i]) then redis.call('ZREM', key('outbox'), ARGV[i + 1]) end
end
return answer()
