-- The tasks of a workspace that cannot start for their files.
-- ARGV: ..., workspace
-- OK: now_us, owed, now, then for each: task, what is noted of it.
local found = redis.call('HGETALL', key('blocked:' .. ARGV[3]))
return answer(now, unpack(found, 1, math.min(#found, 2000)))
