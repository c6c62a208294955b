#!/bin/sh
# Claude Code 2.1.332: `claude -p` that SIGINT ends in the middle of its work exits with 0.
#
# Expected: 130, as shells count a program that an interrupt ended, or at least not 0; SIGTERM gives 143.
# Seen: exit 0, while the result in the output has `is_error` true; in some runs there is no result at all. Whoever looks at the exit
# code, as a Makefile does, goes on as if the work had been done.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init --yes > /dev/null
npm install --silent --no-audit --no-fund @anthropic-ai/claude-code-linux-x64@2.1.332
mkdir home project
cat > run.py << 'SCRIPT'
# Plays the steps of a JSON list as the Messages API on loopback, and runs the client against it in its project folder.
import http.server, json, os, subprocess, sys, threading
steps, asked = json.loads(sys.argv[1]), []

class Api(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_): pass
    def do_GET(self): self.say('{}')
    do_HEAD = do_GET
    def say(self, body, kind='application/json', status=200, more={}):
        self.send_response(status)
        for name, value in {'content-type': kind, 'content-length': str(len(body)), **more}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body.encode())
    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers['content-length'])))
        step = {'text': 'ok'}
        if request.get('tools'):
            asked.append(request)
            step = steps[min(len(asked), len(steps)) - 1]
        if 'status' in step:
            error = {'type': 'error', 'error': {'type': step['type'], 'message': 'scripted'}}
            return self.say(json.dumps(error), status=step['status'], more=step.get('headers', {}))
        usage = {'input_tokens': step.get('in', 1000), 'output_tokens': 10}
        block, full = {'type': 'text', 'text': ''}, {'type': 'text_delta', 'text': step.get('text', '')}
        if 'tool' in step:
            block = {'type': 'tool_use', 'id': 'toolu_%d' % len(asked), 'name': step['tool'], 'input': {}}
            full = {'type': 'input_json_delta', 'partial_json': json.dumps(step['input'])}
        message = {'id': 'msg_%d' % len(asked), 'type': 'message', 'role': 'assistant', 'model': request['model'],
                   'content': [], 'stop_reason': None, 'stop_sequence': None, 'usage': usage}
        stop = 'tool_use' if 'tool' in step else 'end_turn'
        if not request.get('stream'):
            return self.say(json.dumps({**message, 'content': [{**block, 'text': full.get('text')}], 'stop_reason': stop}))
        events = [{'type': 'message_start', 'message': message},
                  {'type': 'content_block_start', 'index': 0, 'content_block': block},
                  {'type': 'content_block_delta', 'index': 0, 'delta': full},
                  {'type': 'content_block_stop', 'index': 0},
                  {'type': 'message_delta', 'delta': {'stop_reason': stop, 'stop_sequence': None}, 'usage': usage},
                  {'type': 'message_stop'}]
        self.say(''.join(f"event: {it['type']}\ndata: {json.dumps(it)}\n\n" for it in events), 'text/event-stream')

api = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Api)
threading.Thread(target=api.serve_forever, daemon=True).start()
here = os.getcwd()
env = {'PATH': os.environ['PATH'], 'HOME': here + '/home', 'IS_SANDBOX': '1', 'DISABLE_AUTOUPDATER': '1', 'FOLDER': here,
       'CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC': '1', 'ANTHROPIC_API_KEY': 'dummy',
       'ANTHROPIC_BASE_URL': 'http://127.0.0.1:%d' % api.server_port}
client = here + '/node_modules/@anthropic-ai/claude-code-linux-x64/claude'
said = subprocess.run([client, *sys.argv[2:]], cwd=here + '/project', env=env, stdin=subprocess.DEVNULL, timeout=120)
print('requests:', len(asked), file=sys.stderr)
sys.exit(said.returncode)
SCRIPT
# In a network of its own, where nothing but the scripted API can be reached: claude STEPS ARGUMENT...
claude() { unshare --map-root-user --net sh -c 'ip link set lo up; exec python3 run.py "$@"' sh "$@"; }

# A hook is told the client's process.
cat > interrupt.sh << 'SCRIPT'
(sleep 1; kill -s "$1" "$CLAUDE_PID") > /dev/null 2>&1 &
SCRIPT
for signal in INT TERM; do
  hook='{"type": "command", "command": "sh '"$folder"'/interrupt.sh '$signal'"}'
  echo '{"hooks": {"PreToolUse": [{"hooks": ['"$hook"']}]}}' > settings.json
  status=0
  claude '[{"tool": "Bash", "input": {"command": "tail -f /dev/null"}}, {"text": "done"}]' \
    -p work --settings "$folder/settings.json" --dangerously-skip-permissions --output-format stream-json --verbose > $signal.jsonl || status=$?
  echo "SIG$signal: exit $status" | tee $signal.txt
done
grep -q 'exit 143' TERM.txt || { echo "changed: SIGTERM"; exit 1; }
grep -q 'exit 0' INT.txt || { echo "changed: SIGINT"; exit 1; }
python3 - << 'SCRIPT'
import json
lines = [json.loads(line) for line in open('INT.jsonl')]
results = [line for line in lines if line['type'] == 'result']
print(len(results), 'result', [(it['subtype'], it['is_error']) for it in results])
assert all(it['is_error'] for it in results), 'changed: the result tells no error'
SCRIPT
echo "as described: an interrupted run exits with 0"
