-- Reads the tasks that wait first in each of some queues, so that a worker which fits several queues takes the first task
-- of all, and what the assignment must know of the workers that wait. From a paused queue nothing is taken.
-- args: queues, max (tasks of each queue), workers, request_keys
-- answer: heads: queue, priority, since_ms, strategy, near (the worker that had the task's files last, or '');
--         loads: how many tasks each of the workers runs, in their order;
--         repeated: which request keys, by their positions from 0, stand for a claim that was made before.
local heads = {}

local function add(queue, id, priority)
  local ready, strategy, place = unpack(redis.call('HMGET', task_key(id), 'ready', 'strategy', 'place'), 1, 3)
  local near = place and redis.call('GET', key('near:' .. place))
  heads[#heads + 1] = {queue = queue, priority = tonumber(priority), since_ms = tonumber(ready or 0),
    strategy = tonumber(strategy or 1), near = near or ''}
end

local function read(name, queue)
  for _, id in ipairs(redis.call('LRANGE', queue .. 'wait', -args.max, -1)) do add(name, id, 0) end
  local waiting = redis.call('ZRANGE', queue .. 'prioritized', 0, args.max - 1, 'WITHSCORES')
  for i = 1, #waiting, 2 do add(name, waiting[i], math.floor(waiting[i + 1] / 0x100000000)) end
  -- A delayed job that is due: BullMQ moves it when it is asked for a job.
  local due = redis.call('ZRANGEBYSCORE', queue .. 'delayed', '-inf', (now + 1) * 0x1000, 'LIMIT', 0, args.max)
  for _, id in ipairs(due) do add(name, id, redis.call('HGET', task_key(id), 'priority') or 50) end
end

for _, name in ipairs(args.queues) do
  local queue = args.slot .. name .. ':'
  if redis.call('HEXISTS', queue .. 'meta', 'paused') == 0 then read(name, queue) end
end

local loads, repeated = {}, {}
for i, worker in ipairs(args.workers) do loads[i] = redis.call('SCARD', key('running:' .. worker)) end
for i, request_key in ipairs(args.request_keys) do
  if redis.call('EXISTS', request_key) == 1 then repeated[#repeated + 1] = i - 1 end
end
return answer({heads = heads, loads = loads, repeated = repeated})
