@echo off
rem Judge with another pair of models from now on, without a restart: switch_model.bat {cpu|gpu} NAME
setlocal
cd /d "%~dp0"
if "%~2"=="" goto usage
if not "%~3"=="" goto usage
if /i "%~1"=="cpu" (
    set "candidates=news worker"
) else if /i "%~1"=="gpu" (
    set "candidates=worker-gpu"
) else goto usage
for %%s in (%candidates%) do (
    for /f %%r in ('docker compose ps --services --status running') do (
        if "%%r"=="%%s" (
            docker compose exec -T %%s python manage.py switch_model "%~2"
            goto done
        )
    )
)
echo No container of docker-compose.yml runs that judges on the %~1. 1>&2
exit /b 1
:usage
echo usage: switch_model.bat {cpu^|gpu} NAME 1>&2
exit /b 2
:done
exit /b %errorlevel%
