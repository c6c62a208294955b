-- Takes the tasks of a worker that is gone, or was registered anew, up to an epoch, and refuses these epochs from now on.
-- args: worker, epoch, keep_gone_ms, why, died, max_deaths
-- answer: taken (how many tasks), requeued (how many of them are ready for another worker).
local worker, epoch = args.worker, args.epoch
local running, gone = key('running:' .. worker), key('gone:' .. worker)
if epoch > tonumber(redis.call('GET', gone) or 0) then redis.call('SET', gone, epoch, 'PX', args.keep_gone_ms) end
local taken, requeued = 0, 0
for _, id in ipairs(redis.call('SMEMBERS', running)) do
  local task = load(id)
  if not task or task.state ~= RUNNING or task.worker ~= worker then
    redis.call('SREM', running, id)
  elseif tonumber(task.epoch) <= epoch then
    taken = taken + 1
    if requeue_after_loss(task, args.why, args.died, args.max_deaths) then requeued = requeued + 1 end
  end
end
if redis.call('SCARD', running) == 0 then redis.call('ZREM', key('holders'), worker) end
return answer({taken = taken, requeued = requeued})
