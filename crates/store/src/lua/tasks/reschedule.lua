-- Moves a schedule to its next run, unless somebody did.
-- ARGV: ..., task, when it was due, when it is due next
-- OK: now_us, owed.
if redis.call('ZSCORE', key('schedules'), ARGV[3]) == ARGV[4] then
  redis.call('ZADD', key('schedules'), ARGV[5], ARGV[3])
  redis.call('HSET', task_key(ARGV[3]), 'from', ARGV[5])
end
return answer()
