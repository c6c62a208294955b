-- Removes the oldest ended jobs of SHIM from BullMQ, but for the newest; the jobs of other programs are their owners'.
-- args: queue, keep (of each end), max (jobs looked at)
-- answer: removed (how many).
local queue, removed = args.slot .. args.queue .. ':', 0

for _, ended in ipairs({'completed', 'failed'}) do
  local excess = math.min(redis.call('ZCARD', queue .. ended) - args.keep, args.max)
  local jobs = excess > 0 and redis.call('ZRANGE', queue .. ended, 0, excess - 1) or {}
  for _, job in ipairs(jobs) do
    local data = redis.call('HGET', queue .. job, 'data')
    if not data or string.find(data, '"task_id":"' .. job .. '"', 1, true) then
      redis.call('ZREM', queue .. ended, job)
      redis.call('DEL', queue .. job, queue .. job .. ':logs')
      removed = removed + 1
    end
  end
end
return answer({removed = removed})
