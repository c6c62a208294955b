-- Pauses queues for the workers of all programs, or lets them go on, as BullMQ itself does it.
-- args: request, queues, pauses (or lets go on)
-- answer: changed (the queues that were not so before).

-- Wakes BullMQ's workers that wait for a job of the queue.
local function wake(queue)
  if redis.call('LLEN', queue .. 'wait') + redis.call('ZCARD', queue .. 'prioritized') > 0 then
    redis.call('ZADD', queue .. 'marker', 0, '0')
    return
  end
  local first = redis.call('ZRANGE', queue .. 'delayed', 0, 0, 'WITHSCORES')
  if first[2] then redis.call('ZADD', queue .. 'marker', math.floor(first[2] / 0x1000), '1') end
end

-- Older versions of BullMQ put the jobs of a paused queue into a list of its own.
local function take_back_waiting(queue)
  while redis.call('EXISTS', queue .. 'paused') == 1 do
    local jobs = redis.call('LRANGE', queue .. 'paused', 0, 4999)
    redis.call('RPUSH', queue .. 'wait', unpack(jobs))
    redis.call('LTRIM', queue .. 'paused', #jobs, -1)
  end
end

return once_per_request(function()
  local changed = {}
  for _, name in ipairs(args.queues) do
    local queue = args.slot .. name .. ':'
    local is_paused = redis.call('HEXISTS', queue .. 'meta', 'paused') == 1
    if is_paused ~= args.pauses then
      changed[#changed + 1] = name
      if args.pauses then
        redis.call('HSET', queue .. 'meta', 'paused', 1)
        redis.call('DEL', queue .. 'marker')
      else
        redis.call('HDEL', queue .. 'meta', 'paused')
        take_back_waiting(queue)
        wake(queue)
      end
      redis.call('XADD', queue .. 'events', 'MAXLEN', '~', 10000, '*', 'event', args.pauses and 'paused' or 'resumed')
    end
  end
  return answer({changed = changed})
end)
