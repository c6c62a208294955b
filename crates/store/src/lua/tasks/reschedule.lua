-- Moves a schedule to its next run, unless that was done before.
-- args: id, due_ms (when the run was due), next_ms
local due_ms = redis.call('ZSCORE', key('schedules'), args.id)
if due_ms and tonumber(due_ms) == args.due_ms then
  redis.call('ZADD', key('schedules'), args.next_ms, args.id)
  redis.call('HSET', task_key(args.id), 'from', args.next_ms)
end
return answer({})
