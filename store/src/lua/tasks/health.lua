-- How the queues are.
-- ARGV: ..., then each queue's name
-- OK: now_us, owed, completed and failed in the last minute, dead letters, awaiting approval, owed, then for each queue:
--     {name, waiting, delayed, active, since when the oldest waits, then priority and depth in pairs}.
local function in_last_minute(state)
  local sum = 0
  for i = 0, 5 do
    sum = sum + (redis.call('GET', key('ended' .. state .. ':' .. (math.floor(now / 10000) - i))) or 0)
  end
  return sum
end

local reports = {}
for i = 3, #ARGV do
  local queue = SLOT .. ARGV[i] .. ':'
  local waiting, prioritized = redis.call('LLEN', queue .. 'wait'), queue .. 'prioritized'
  local report = {ARGV[i], waiting, redis.call('ZCARD', queue .. 'delayed'), redis.call('LLEN', queue .. 'active'), 0}
  local oldest = now
  if waiting > 0 then
    report[#report + 1] = 0
    report[#report + 1] = waiting
    local first = redis.call('LINDEX', queue .. 'wait', -1)
    oldest = math.min(oldest, redis.call('HGET', queue .. first, 'timestamp') or now)
  end
  for priority = 1, 100 do
    local from, to = priority * 0x100000000, (priority + 1) * 0x100000000
    local depth = redis.call('ZCOUNT', prioritized, from, '(' .. string.format('%.0f', to))
    if depth > 0 then
      report[2] = report[2] + depth
      report[#report + 1] = priority
      report[#report + 1] = depth
      local first = redis.call('ZRANGEBYSCORE', prioritized, from, to, 'LIMIT', 0, 1)[1]
      oldest = math.min(oldest, first and redis.call('HGET', task_key(first), 'ready') or now)
    end
  end
  report[5] = now - oldest
  reports[#reports + 1] = report
end
return answer(in_last_minute(COMPLETED), in_last_minute(FAILED), redis.call('ZCARD', key('dead')),
  redis.call('ZCARD', key('approvals')), redis.call('ZCARD', key('outbox')), unpack(reports))
