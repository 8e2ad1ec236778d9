import chiasm

model = chiasm.load()
answer = model.ask("What does the sign say?", "examples/sign.jpg")
print(answer.text, answer.usage)
