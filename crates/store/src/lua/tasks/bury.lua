-- A worker is gone, or was registered anew: what its incarnations up to an epoch had goes to others, and they get
-- nothing more.
-- ARGV: ..., worker, epoch, keep_gone_ms, why, '1' if it died, deaths that are too many
-- OK: now_us, owed, how many tasks, how many of them wait for another worker now.
local worker, epoch = ARGV[3], tonumber(ARGV[4])
if epoch > tonumber(redis.call('GET', key('gone:' .. worker)) or 0) then
  redis.call('SET', key('gone:' .. worker), ARGV[4], 'PX', ARGV[5])
end
local taken, given_on = 0, 0
for _, id in ipairs(redis.call('SMEMBERS', key('running:' .. worker))) do
  local task = load(id)
  if not task or task.state ~= RUNNING or task.worker ~= worker then
    redis.call('SREM', key('running:' .. worker), id)
  elseif tonumber(task.epoch) <= epoch then
    taken = taken + 1
    if give_on(task, ARGV[6], ARGV[7], ARGV[8]) then given_on = given_on + 1 end
  end
end
if redis.call('SCARD', key('running:' .. worker)) == 0 then redis.call('ZREM', key('holders'), worker) end
return answer(taken, given_on)
