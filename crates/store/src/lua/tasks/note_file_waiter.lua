-- Notes that a task cannot start for its files, since when, and when it was tried last.
-- args: workspace, id, patterns
local waiters = key('blocked:' .. args.workspace)
local known = redis.call('HGET', waiters, args.id)
local since = known and string.match(known, '^%d+') or string.format('%.0f', now)
local noted = string.format('%s %.0f\n%s', since, now, table.concat(args.patterns, '\n'))
redis.call('HSET', waiters, args.id, noted)
redis.call('PEXPIRE', waiters, 3600 * 1000)
return answer({})
