-- Ends an attempt: the task is tried again after a pause, or fails for good.
-- ARGV: ..., did, fingerprint, keep_did_ms, task, lease, reason, message, final ('1'), input tokens, output tokens, cost
-- OK: now_us, owed, the task. Refusals: NOT_FOUND; STALE state, worker; REQUEST_ID_REUSED.
return with_row(once(ARGV[3], ARGV[4], ARGV[5], function()
  local id = ARGV[6]
  local task = load(id)
  local refused = stale(task, ARGV[7])
  if refused then return refused end

  spend(task, ARGV[11], ARGV[12], ARGV[13])
  local attempts = tonumber(task.attempts)
  if ARGV[10] == '1' or attempts >= tonumber(task.most) then
    over(task, FAILED, ARGV[8], ARGV[9])
    return answer()
  end
  redis.call('HSET', text_key(id), 'reason', ARGV[8], 'message', ARGV[9])
  local pause = math.min(tonumber(task.pause) * 2 ^ (attempts - 1), LONGEST_PAUSE_MS)
  task.from = string.format('%.0f', now + pause)
  enter(task, DELAYED, 'from', task.from, 'lease', '', 'stuck', '')
  count('put back: failed')
  log(task.root, 'retrying', id, 'w', task.worker, 'd', ARGV[9])
  owe(id)
  return answer()
end), ARGV[6])
