-- How the queues are.
-- ARGV: ..., then each queue's name
-- OK: now_us, owed, completed and failed in the last minute, dead letters, awaiting approval, owed, then for each queue:
--     {name, waiting, delayed, active, then of each priority that waits: priority, depth, for how many ms the oldest does}.
local function in_last_minute(state)
  local sum = 0
  for i = 0, 5 do
    sum = sum + (redis.call('GET', key('ended' .. state .. ':' .. (math.floor(now / 10000) - i))) or 0)
  end
  return sum
end

-- Where the jobs of a priority begin: BullMQ scores them by priority, and then in their order.
local STEP = 0x100000000

local reports = {}
for i = 3, #ARGV do
  local queue = SLOT .. ARGV[i] .. ':'
  local prioritized = queue .. 'prioritized'
  local report = {ARGV[i], 0, redis.call('ZCARD', queue .. 'delayed'), redis.call('LLEN', queue .. 'active')}
  local function add(priority, depth, since)
    report[2] = report[2] + depth
    report[#report + 1] = priority
    report[#report + 1] = depth
    report[#report + 1] = math.max(0, now - (since or now))
  end

  local waiting = redis.call('LLEN', queue .. 'wait')
  if waiting > 0 then
    local first = redis.call('LINDEX', queue .. 'wait', -1)
    add(0, waiting, redis.call('HGET', queue .. first, 'timestamp'))
  end
  -- From the first of one priority to the first of the next, so that those nobody uses cost nothing.
  local first = redis.call('ZRANGE', prioritized, 0, 0, 'WITHSCORES')
  while first[1] do
    local priority = math.floor(first[2] / STEP)
    local beyond = string.format('%.0f', (priority + 1) * STEP)
    local depth = redis.call('ZCOUNT', prioritized, first[2], '(' .. beyond)
    add(priority, depth, redis.call('HGET', task_key(first[1]), 'ready'))
    first = redis.call('ZRANGEBYSCORE', prioritized, beyond, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
  end
  reports[#reports + 1] = report
end
return answer(in_last_minute(COMPLETED), in_last_minute(FAILED), redis.call('ZCARD', key('dead')),
  redis.call('ZCARD', key('approvals')), redis.call('ZCARD', key('outbox')), unpack(reports))
