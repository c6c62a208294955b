-- Notes that a task cannot start for its files, since when, and when it was tried last.
-- ARGV: ..., workspace, task, pattern, ...
-- OK: now_us, owed.
local blocked = key('blocked:' .. ARGV[3])
local known = redis.call('HGET', blocked, ARGV[4])
local since = known and string.match(known, '^%d+') or string.format('%.0f', now)
local noted = string.format('%s %.0f\n%s', since, now, table.concat({unpack(ARGV, 5)}, '\n'))
redis.call('HSET', blocked, ARGV[4], noted)
redis.call('PEXPIRE', blocked, 3600 * 1000)
return answer()
