-- Jobs that a process of SHIM took out of a queue long ago and died with, before it could tell.
-- ARGV: ..., the queue's name, taken before so many ms
-- OK: now_us, owed, the jobs of which there is no task. Tasks that nobody runs are owed.
local queue, stranded = SLOT .. ARGV[3] .. ':', {}
for _, job in ipairs(redis.call('LRANGE', queue .. 'active', 0, -1)) do
  local since = tonumber(redis.call('HGET', queue .. job, 'processedOn') or 0)
  if since < now - ARGV[4] and redis.call('GET', queue .. job .. ':lock') == 'shim' then
    local task = load(redis.call('GET', key('job:' .. ARGV[3] .. ':' .. job)) or job)
    if not task then
      stranded[#stranded + 1] = job
    elseif task.state ~= RUNNING then
      owe(task.id)
    end
  end
end
return answer(stranded)
