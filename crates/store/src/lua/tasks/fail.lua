-- Ends an attempt: the task is tried again after a pause, or fails for good.
-- args: request, id, lease, reason, message, is_final, usage
-- answer: task. Refusals: NOT_FOUND; STALE: state, worker; REQUEST_ID_REUSED.
return change_once(function()
  local task = load(args.id)
  local refused = stale(task, args.lease)
  if refused then return refused end

  spend(task, args.usage)
  local attempts = tonumber(task.attempts)
  if args.is_final or attempts >= tonumber(task.most) then
    over(task, FAILED, args.reason, args.message)
    return answer({})
  end
  redis.call('HSET', text_key(task.id), 'reason', args.reason, 'message', args.message)
  local pause = math.min(tonumber(task.pause) * 2 ^ (attempts - 1), LONGEST_PAUSE_MS)
  task.from = string.format('%.0f', now + pause)
  enter(task, DELAYED, 'from', task.from, 'lease', '', 'stuck', '')
  count('put back: failed')
  log(task.root, 'retrying', task.id, {worker = task.worker, detail = args.message})
  add_to_outbox(task.id)
  return answer({})
end)
