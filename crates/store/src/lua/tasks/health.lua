-- Counts what the queues hold.
-- args: queues
-- answer: completed, failed (in the last minute), dead_letters, awaiting_approval, outbox (how many entries), buried (dead
--         letters that were forgotten lately), buried_at_ms (the last of them), owed (messages that wait for room in
--         inboxes), queues_in_use, own_queues (in use, of the one
--         who opened most), live_jobs, sizes (of what is
--         kept, by kind: kind, keys, bytes), usages (of bounds: what, used, of), and of each queue in their order: waiting,
--         delayed, active, paused, limited_ms (for how long its rate limit holds it), max_active (0: any number), and
--         `depths` by priority: priority, tasks, oldest_ms.
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

  -- Older versions of BullMQ put the jobs of a paused queue into a list of its own.
  for _, list in ipairs({'wait', 'paused'}) do
    local waiting = redis.call('LLEN', queue .. list)
    if waiting > 0 then
      local first = redis.call('LINDEX', queue .. list, -1)
      add(0, waiting, redis.call('HGET', queue .. first, 'timestamp'))
    end
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
  local paused, max_active, rate = unpack(redis.call('HMGET', queue .. 'meta', 'paused', 'concurrency', 'max'), 1, 3)
  local limited_ms = 0
  if rate and tonumber(rate) <= tonumber(redis.call('GET', queue .. 'limiter') or 0) then
    limited_ms = math.max(0, redis.call('PTTL', queue .. 'limiter'))
  end
  return {waiting = total, delayed = redis.call('ZCARD', queue .. 'delayed'), active = redis.call('LLEN', queue .. 'active'),
    paused = paused and true or false, limited_ms = limited_ms, max_active = tonumber(max_active or 0), depths = depths}
end

local own_queues = 0
for _, opened in ipairs(redis.call('HVALS', key('queue-owners'))) do own_queues = math.max(own_queues, tonumber(opened)) end

local sizes, noted = {}, redis.call('HGETALL', key('sizes'))
for i = 1, #noted, 2 do
  local size = cmsgpack.unpack(noted[i + 1])
  sizes[#sizes + 1] = {kind = noted[i], keys = size[1], bytes = size[2]}
end

local usages, used = {}, redis.call('HGETALL', key('usages'))
for i = 1, #used, 2 do
  local usage = cmsgpack.unpack(used[i + 1])
  usages[#usages + 1] = {what = used[i], used = usage[1], of = usage[2]}
end

local queues, buried = {}, redis.call('HMGET', key('buried'), 'letters', 'at')
for i, name in ipairs(args.queues) do queues[i] = report(name) end
return answer({completed = in_last_minute(COMPLETED), failed = in_last_minute(FAILED),
  dead_letters = redis.call('ZCARD', key('dead')), awaiting_approval = redis.call('ZCARD', key('approvals')),
  outbox = redis.call('ZCARD', key('outbox')), queues = queues, buried = tonumber(buried[1] or 0),
  buried_at_ms = tonumber(buried[2] or 0), owed = redis.call('ZCARD', key('owed')),
  queues_in_use = queues_in_use(), own_queues = own_queues,
  sizes = sizes, usages = usages, live_jobs = redis.call('ZCARD', key('live'))})
