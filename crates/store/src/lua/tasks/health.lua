-- Counts what the queues hold.
-- args: queues
-- answer: completed, failed (in the last minute), dead_letters, awaiting_approval, outbox (how many entries), and of each
--         queue in their order: waiting, delayed, active, and `depths` by priority: priority, tasks, oldest_ms.
local function in_last_minute(state)
  local sum = 0
  for i = 0, 5 do
    sum = sum + (redis.call('GET', key('ended' .. state .. ':' .. (math.floor(now / 10000) - i))) or 0)
  end
  return sum
end

-- Where the jobs of a priority begin: BullMQ scores them by priority, and then in their order.
local STEP = 0x100000000

local function report(name)
  local queue = args.slot .. name .. ':'
  local prioritized, depths, total = queue .. 'prioritized', {}, 0
  local function add(priority, tasks, since)
    total = total + tasks
    depths[#depths + 1] = {priority = priority, tasks = tasks, oldest_ms = math.max(0, now - (since or now))}
  end

  local waiting = redis.call('LLEN', queue .. 'wait')
  if waiting > 0 then
    local first = redis.call('LINDEX', queue .. 'wait', -1)
    add(0, waiting, redis.call('HGET', queue .. first, 'timestamp'))
  end
  -- From the first of one priority to the first of the next, so that unused priorities cost nothing.
  local first = redis.call('ZRANGE', prioritized, 0, 0, 'WITHSCORES')
  while first[1] do
    local priority = math.floor(first[2] / STEP)
    local beyond = string.format('%.0f', (priority + 1) * STEP)
    local tasks = redis.call('ZCOUNT', prioritized, first[2], '(' .. beyond)
    add(priority, tasks, redis.call('HGET', task_key(first[1]), 'ready'))
    first = redis.call('ZRANGEBYSCORE', prioritized, beyond, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
  end
  return {waiting = total, delayed = redis.call('ZCARD', queue .. 'delayed'), active = redis.call('LLEN', queue .. 'active'),
    depths = depths}
end

local queues = {}
for i, name in ipairs(args.queues) do queues[i] = report(name) end
return answer({completed = in_last_minute(COMPLETED), failed = in_last_minute(FAILED),
  dead_letters = redis.call('ZCARD', key('dead')), awaiting_approval = redis.call('ZCARD', key('approvals')),
  outbox = redis.call('ZCARD', key('outbox')), queues = queues})
