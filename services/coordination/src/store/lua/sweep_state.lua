-- Takes entries that went by themselves off the lists and tells so.
-- KEYS: entry prefix stands in ARGV; -, clock, names, deadlines, feed
-- ARGV: prefix of the entries' keys, how many at most, feed length, channel, news up to the key
-- OK: how many were taken off.
local gone = redis.call('ZRANGEBYSCORE', KEYS[4], '-inf', now_ms(), 'LIMIT', 0, ARGV[2])
local count = 0
for _, name in ipairs(gone) do
  redis.call('ZREM', KEYS[4], name)
  if redis.call('EXISTS', ARGV[1] .. name) == 0 then
    redis.call('ZREM', KEYS[3], name)
    local version = tick(KEYS[2])
    tell_change('expired', version, name, ARGV[3], ARGV[4], ARGV[5] .. cjson.encode(name) .. ',"version":')
    count = count + 1
  end
end
return {'OK', count}
