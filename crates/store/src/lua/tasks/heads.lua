-- What waits first in each of some queues, so that a worker which fits several takes what comes first in all.
-- ARGV: ..., how many of each, then each queue's name
-- OK: now_us, owed, then for each job that waits: queue, priority, since when, how its worker is chosen, and the worker
--     that had its files last.
local most, heads = tonumber(ARGV[3]), {}

local function head(queue, id, priority)
  local task = redis.call('HMGET', task_key(id), 'ready', 'strategy', 'place')
  local near = task[3] and redis.call('GET', key('near:' .. task[3]))
  heads[#heads + 1] = {queue, priority, task[1] or '0', task[2] or '1', near or ''}
end

for i = 4, #ARGV do
  local queue = SLOT .. ARGV[i] .. ':'
  for _, id in ipairs(redis.call('LRANGE', queue .. 'wait', -most, -1)) do head(ARGV[i], id, '0') end
  local waiting = redis.call('ZRANGE', queue .. 'prioritized', 0, most - 1, 'WITHSCORES')
  for j = 1, #waiting, 2 do
    head(ARGV[i], waiting[j], string.format('%.0f', math.floor(waiting[j + 1] / 0x100000000)))
  end
  -- A delayed job that is due: BullMQ moves it when it is asked.
  local due = redis.call('ZRANGEBYSCORE', queue .. 'delayed', '-inf', (now + 1) * 0x1000, 'LIMIT', 0, most)
  for _, id in ipairs(due) do head(ARGV[i], id, redis.call('HGET', task_key(id), 'priority') or '50') end
end
return answer(unpack(heads))
