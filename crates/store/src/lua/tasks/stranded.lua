-- Jobs that were taken out of a queue long ago and are with nobody: a process of SHIM died before it could tell, or a
-- worker of another program let its lock run out and no other looks after it.
-- ARGV: ..., the queue's name, taken before so many ms, deaths that are too many
-- OK: now_us, owed, the jobs of which there is no task. Tasks that nobody runs are owed.
local OURS, FOREIGN = 'shim', 'bullmq'
local queue, stranded = SLOT .. ARGV[3] .. ':', {}

for _, job in ipairs(redis.call('LRANGE', queue .. 'active', 0, -1)) do
  local since = tonumber(redis.call('HGET', queue .. job, 'processedOn') or 0)
  if since < now - ARGV[4] then
    local lock = redis.call('GET', queue .. job .. ':lock')
    local task = load(redis.call('GET', key('job:' .. ARGV[3] .. ':' .. job)) or job)
    if lock == OURS and not task then
      stranded[#stranded + 1] = job
    elseif lock == OURS and task.state ~= RUNNING then
      owe(task.id)
    elseif not lock and task and task.state == RUNNING and task.worker == FOREIGN then
      -- It takes and gives up its lock together with the job: without one it is gone.
      give_on(task, 'its worker fell silent', 1, ARGV[5])
    end
  end
end
return answer(stranded)
