-- Finds jobs that were taken out of a queue long ago and that no worker has: a process of SHIM died between taking and
-- claiming, or a worker of another program let its lock run out and no other looks after the job. Finds tasks, too, whose
-- jobs were taken away from the workers of other programs that had them.
-- args: queue, taken_before_ms, max_deaths
-- answer: jobs (those without a task). Tasks without a worker go into the outbox.
local OURS, FOREIGN = 'shim', 'bullmq'
local queue, stranded = args.slot .. args.queue .. ':', {}

for _, job in ipairs(redis.call('LRANGE', queue .. 'active', 0, -1)) do
  local since = tonumber(redis.call('HGET', queue .. job, 'processedOn') or 0)
  if since < now - args.taken_before_ms then
    local lock = redis.call('GET', queue .. job .. ':lock')
    local task = load(redis.call('GET', key('job:' .. args.queue .. ':' .. job)) or job)
    if lock == OURS and not task then
      stranded[#stranded + 1] = job
    elseif lock == OURS and task.state ~= RUNNING then
      add_to_outbox(task.id)
    elseif not lock and task and task.state == RUNNING and task.worker == FOREIGN then
      -- BullMQ's worker takes and gives up its lock together with the job: without a lock the worker is gone.
      requeue_after_loss(task, 'its worker fell silent', true, args.max_deaths)
    end
  end
end

if not has_unread_events(args.queue) then
  for _, id in ipairs(redis.call('SMEMBERS', key('running:' .. FOREIGN))) do
    local task, record = load(id), redis.call('HMGET', task_key(id), 'queue', 'job')
    if task and record[1] == args.queue and redis.call('EXISTS', queue .. (record[2] or id)) == 0 then
      if record[2] then
        over(task, CANCELLED, 'CANCELLED', 'its job was removed in BullMQ')
      else
        requeue_after_loss(task, 'its job was removed in BullMQ', false, args.max_deaths)
      end
    end
  end
end
return answer({jobs = stranded})
