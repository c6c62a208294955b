-- Lists the tasks of a workspace that cannot start for their files.
-- args: workspace, max
-- answer: now_ms, waiters: id, noted (see `note_file_waiter.lua`).
local found, waiters = redis.call('HGETALL', key('blocked:' .. args.workspace)), {}
for i = 1, math.min(#found, args.max * 2), 2 do waiters[#waiters + 1] = {id = found[i], noted = found[i + 1]} end
return answer({now_ms = now, waiters = waiters})
